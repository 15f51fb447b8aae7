import { read, remove, write } from "./storage";

const NAME = "footfall_sender";
const LEASE = 30_000;

/** Does the work in one tab at a time. */
export async function exclusively(work: () => Promise<void>): Promise<void> {
  if (navigator.locks) {
    await navigator.locks.request(NAME, work);
    return;
  }
  // Pages without TLS have no locks. A lease is the time when it ends; its fraction tells whose it is.
  if (+read(NAME)! > Date.now()) return;
  const lease = `${Date.now() + LEASE + Math.random()}`;
  write(NAME, lease);
  await new Promise((resolve) => setTimeout(resolve, 50));
  if (read(NAME) !== lease) return;
  try {
    await work();
  } finally {
    remove(NAME);
  }
}
