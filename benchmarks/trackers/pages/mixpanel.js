// `batch_requests` (the default): a queue in localStorage, sent again after failures and by later pages, with a beacon when
// the page is left; mixpanel-js releases 2.36 and 2.42 describe it. JSON is for the sink's eyes.
import mixpanel from "mixpanel-browser";

mixpanel.init("token", { api_host: SINK, batch_requests: true, persistence: "localStorage", api_payload_format: "json" });
window.act = (mark) => mixpanel.track("Acted", { mark });
