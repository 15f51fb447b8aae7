import { isHidden } from "./dwell";
import { exclusively } from "./lock";
import { discard, flying, type Item, next, ownWaiting, put, stored } from "./queue";
import { visitor } from "./session";
import { log, settings } from "./settings";
import { read, write } from "./storage";
import type { Event } from "./types";

const INTERVAL = 3000;
const ENOUGH = 20;
// Browsers let 64 KiB be on their way when a page closes: what is sent before leaves room for the last.
const BATCH = 30_000;
const QUOTA = 64_000;
const PATIENCE = 20_000;
const LONGEST_WAIT = 300_000;
const RETRY_AT = "footfall_retry";

let timer: ReturnType<typeof setTimeout> | 0 = 0;
let isSending = false;
let failures = 0;
let bytesInFlight = 0;

/** Identifies that aren't delivered, with their tokens. */
export const identifies: [event: Event, token: string][] = [];

/** What became of a request: taken, refused for good, or to be tried again. */
const enum Outcome {
  Later,
  Refused,
  Taken,
}

export function enqueue(event: Event): void {
  put(event);
  if (isHidden() && !failures) {
    // The page may be closing, and this may come from a listener behind ours.
    queueMicrotask(leave);
  } else if (failures || ownWaiting() % ENOUGH) {
    soon();
  } else {
    flush();
  }
}

export function soon(milliseconds = INTERVAL): void {
  timer = timer || setTimeout(flush, milliseconds);
}

/** Sends all that waits, unless another tab does or it isn't time. */
export async function flush(): Promise<void> {
  clearTimeout(timer);
  timer = 0;
  if (isSending) return;
  if (!navigator.onLine) return log("offline,", stored().length, "waiting");
  if (toldToWait() > 0) return soon(toldToWait());
  isSending = true;
  await exclusively(sendAll);
  isSending = false;
  if (stored().length || identifies.length) soon();
}

/** The last chance of a page that may be closing. Whether it arrives nobody will know, so all stays stored. */
export function leave(): void {
  const batch = next(QUOTA - 1000 - bytesInFlight);
  if (batch.length && toldToWait() < 0) send(batch);
}

/** Milliseconds until the server wants to hear from any tab again. */
const toldToWait = (): number => +read(RETRY_AT)! - Date.now();

async function sendAll(): Promise<void> {
  for (let batch = next(BATCH, true); batch.length; batch = next(BATCH, true)) {
    if (!(await send(batch))) return;
  }
  for (let waiting = identifies[0]; waiting; waiting = identifies[0]) {
    if (!(await sendIdentify(...waiting))) return;
    identifies.shift();
  }
}

async function sendIdentify(event: Event, token: string): Promise<Outcome> {
  const outcome = await post(settings.identifyPath ?? "/v1/me/events", [JSON.stringify(event)], token);
  if (outcome === Outcome.Taken && visitor().id === event.anonymous_id) visitor({ told: event.session_id });
  return outcome;
}

async function send(batch: Item[]): Promise<Outcome> {
  batch.forEach(([key]) => flying.add(key));
  const outcome = await post(settings.path ?? "/v1/events", batch.map(([, json]) => json));
  batch.forEach(([key, json]) => {
    flying.delete(key);
    // Unless it changed meanwhile, as a dwell that grew.
    if (outcome && read(key) === json) discard(key);
  });
  return outcome;
}

async function post(path: string, events: string[], token?: string): Promise<Outcome> {
  const said = { write_key: settings.writeKey, sent_at: new Date().toISOString() };
  const body = `${JSON.stringify(said).slice(0, -1)},"events":[${events}]}`;
  const address = (settings.endpoint ?? "").replace(/\/$/, "") + path;
  const bytes = new Blob([body]).size;
  const share = bytesInFlight + bytes < QUOTA ? bytes : 0;
  if (isHidden() && !("keepalive" in Request.prototype) && navigator.sendBeacon?.(address, body)) {
    return Outcome.Later;
  }
  bytesInFlight += share;
  let wait = 0;
  let why: unknown;
  try {
    const answer = await fetch(address, {
      method: "POST",
      body,
      keepalive: share > 0,
      credentials: "omit",
      headers: token ? { authorization: `Bearer ${token}` } : {},
      signal: (AbortSignal as Partial<typeof AbortSignal>).timeout?.(PATIENCE),
    });
    why = `${answer.status} ${await answer.text()}`;
    if (answer.ok || isFinal(answer.status)) {
      failures = 0;
      log("sent", events.length, why);
      return answer.ok ? Outcome.Taken : Outcome.Refused;
    }
    const after = answer.headers.get("retry-after")!;
    wait = +after * 1000 || Date.parse(after) - Date.now() || 0;
    write(RETRY_AT, `${Date.now() + wait}`);
  } catch (error) {
    why = error;
  } finally {
    bytesInFlight -= share;
  }
  wait = Math.max(wait, Math.min(1000 * 2 ** failures++, LONGEST_WAIT) * (0.5 + Math.random() / 2));
  log(why, stored().length, "waiting, again in", Math.ceil(wait / 1000), "s");
  soon(wait);
  return Outcome.Later;
}

/** Whether the same request would never be taken. */
const isFinal = (status: number): boolean => /^4(?!08|29)/.test(`${status}`);
