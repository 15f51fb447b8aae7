// The persistence queue in localStorage, with retries (the default; "Load JavaScript SDK" of its documentation). `useBeacon`
// would send by beacons instead, whose answers nobody hears. `getSourceConfig` stands for the control plane.
import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";

const source = { id: "source", name: "shop", workspaceId: "workspace", enabled: true, config: {}, destinations: [] };
const analytics = new RudderAnalytics();
analytics.load("2dyp1oN1kkVWNyhNTDcpLTmfRLD", SINK, { getSourceConfig: () => ({ source }) });
window.act = (mark) => analytics.track("Acted", { mark });
