// `keepalive` (off by default) for pages that are left; the queue in localStorage and retries are on by default, so is a
// `bufferSize` of one ("Initialize and configure the web trackers" of its documentation). Readable JSON is for the sink.
import { newTracker, trackStructEvent } from "@snowplow/browser-tracker";

newTracker("sp", SINK, { appId: "shop", eventMethod: "post", keepalive: true, encodeBase64: false });
window.act = (mark) => trackStructEvent({ category: "comparison", action: mark });
