// `keepalive` "for ensuring that an event is sent even if the user navigates away" (its types); retries and the queue that
// is kept in localStorage when a page is left are on by default. No CDN.
import { AnalyticsBrowser } from "@segment/analytics-next";

const apiHost = SINK.replace("http://", "");
const deliveryStrategy = { strategy: "standard", config: { keepalive: true } };
const analytics = AnalyticsBrowser.load(
  { writeKey: "key", cdnSettings: { integrations: { "Segment.io": { apiKey: "key" } } } },
  { integrations: { "Segment.io": { apiHost, protocol: "http", deliveryStrategy } } },
);
window.act = (mark) => void analytics.track("Acted", { mark });
