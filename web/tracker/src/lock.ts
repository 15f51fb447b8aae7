import { read, remove, write } from "./storage";

const NAME = "footfall_sender";
const LEASE = 5000;

/** Does the work in one tab at a time. */
export async function exclusively(work: () => Promise<void>): Promise<void> {
  // What one tab stores or removes, others see a moment later.
  const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
  try {
    return await navigator.locks.request(NAME, () => pause().then(work));
  } catch {
    // Pages without TLS have no locks. A lease is the time when it ends; its fraction tells whose it is.
  }
  if (+read(NAME)! > Date.now()) return;
  const lease = `${Date.now() + LEASE + Math.random()}`;
  write(NAME, lease);
  await pause();
  if (read(NAME) !== lease) return;
  await work();
  remove(NAME);
}
