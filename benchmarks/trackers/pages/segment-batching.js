// `strategy: "batching"` with its default size and time; it sends with keepalive when the page is left. No CDN.
import { AnalyticsBrowser } from "@segment/analytics-next";

const apiHost = SINK.replace("http://", "");
const deliveryStrategy = { strategy: "batching" };
const analytics = AnalyticsBrowser.load(
  { writeKey: "key", cdnSettings: { integrations: { "Segment.io": { apiKey: "key" } } } },
  { integrations: { "Segment.io": { apiHost, protocol: "http", deliveryStrategy } } },
);
window.act = (mark) => void analytics.track("Acted", { mark });
