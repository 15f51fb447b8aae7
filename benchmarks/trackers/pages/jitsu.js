// No option for batching, keepalive or a queue: docs.jitsu.com/sending-data/npm names host, key and privacy.
import { jitsuAnalytics } from "@jitsu/js";

const analytics = jitsuAnalytics({ host: SINK, writeKey: "key:secret" });
window.act = (mark) => analytics.track("Acted", { mark });
