// One fetch with keepalive an event; its README names no option for batching or a queue. `captureOnLocalhost` for this test.
import { init, track } from "@plausible-analytics/tracker";

init({ domain: "shop.example", endpoint: `${SINK}/api/event`, captureOnLocalhost: true, autoCapturePageviews: false });
window.act = (mark) => track("Acted", { props: { mark } });
