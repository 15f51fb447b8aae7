// Every kind of call through @segment/analytics-node.
import { Analytics } from "@segment/analytics-node";

const [host, writeKey, run, at] = process.argv.slice(2);
const failures = [];
const client = new Analytics({ host, writeKey });
client.on("error", (failure) => failures.push(failure));
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
await client.closeAndFlush({ timeout: 60_000 });
if (failures.length > 0) {
  console.error(failures);
  process.exitCode = 1;
}
