// Every kind of call through @rudderstack/rudder-sdk-node.
import Analytics from "@rudderstack/rudder-sdk-node";

const [host, writeKey, run, at] = process.argv.slice(2);
const failures = [];
const client = new Analytics(writeKey, { dataPlaneUrl: host, errorHandler: (error) => failures.push(error) });
let minute = 0;
const said = () => ({
  userId: run,
  timestamp: new Date(Date.parse(at) + 60_000 * minute++),
  context: { sessionId: `${run}-session` },
});

client.identify({ ...said(), traits: { profile_completeness: 40 } });
client.track({ ...said(), event: "Signed Up", properties: { plan: "pro", note: "\x00\ud800" } });
client.track({ ...said(), event: "Product Viewed", properties: { product_id: `${run}-product` } });
client.page({ ...said(), name: "Pricing", properties: { path: "/pricing" } });
client.screen({ ...said(), name: "Checkout" });
client.group({ ...said(), groupId: `${run}-group`, traits: { name: "Acme" } });
client.alias({ ...said(), previousId: `${run}-visitor` });
// It sends its first message at once, and has nothing that waits for the rest.
await new Promise((resolve) => client.flush(resolve));
if (failures.length > 0) {
  console.error(failures);
  process.exitCode = 1;
}
