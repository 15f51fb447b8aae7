import { isHidden } from "./dwell";
import { exclusively } from "./lock";
import { lacksConsent, refusal } from "./privacy";
import { discard, inFlight, type Item, next, ORPHANED, ownWaiting, put, stored } from "./queue";
import { visitor } from "./session";
import { log, settings } from "./settings";
import { read, write } from "./storage";
import type { Event } from "./types";

const FLUSH_INTERVAL = 1000;
const FLUSH_AT = 20;
// Browsers let 64 KiB be on their way when a page closes: what is sent before leaves room for the last.
const BATCH = 30_000;
const QUOTA = 64_000;
const REQUEST_TIMEOUT = 20_000;
const LONGEST_WAIT = 300_000;
const LONGEST_TOLD = 3_600_000;
const RETRY_AT = "footfall_r";

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

export function enqueue(event: Event, token?: string): void {
  if (token) identifies.push([event, token]);
  else put(event);
  if (failures) {
    soon();
  } else if (!token && isHidden()) {
    // The page may be closing, and this may come from a listener behind ours.
    queueMicrotask(flushOnUnload);
  } else if (!token && ownWaiting() % FLUSH_AT) {
    soon();
  } else {
    flush();
  }
}

export function soon(): void {
  if (!timer) flushIn(FLUSH_INTERVAL);
}

function flushIn(milliseconds: number): void {
  clearTimeout(timer);
  timer = setTimeout(flush, milliseconds);
}

/** Sends all that waits, as soon as no other tab does. */
export async function flush(): Promise<void> {
  clearTimeout(timer);
  timer = 0;
  if (isSending || mayNot()) return;
  isSending = true;
  await exclusively(sendAll).catch(log);
  isSending = false;
  if (stored().length || identifies.length) soon();
}

/** Somebody may have changed their mind after what waits was tracked, also in another tab. */
const mayNot = (): boolean => !!refusal() || lacksConsent();

/** The last chance of a page that may be closing. Whether it arrives nobody will know, so all stays stored. */
export function flushOnUnload(): void {
  const batch = next(QUOTA - 1000 - bytesInFlight);
  if (batch.length) send(batch, !("keepalive" in Request.prototype)).catch(log);
}

async function sendAll(): Promise<void> {
  let batch: Item[];
  while ((batch = next(BATCH, true)).length) {
    if (!(await send(batch))) return;
  }
  while (identifies[0]) {
    if (!(await sendIdentify(...identifies[0]))) return;
    identifies.shift();
  }
}

async function sendIdentify(event: Event, token: string): Promise<Outcome> {
  const outcome = await post(settings.identifyPath ?? "/v1/me/events", [JSON.stringify(event)], token);
  if (outcome === Outcome.Taken && !mayNot() && visitor().id === event.anonymous_id) visitor({ told: event.session_id });
  return outcome;
}

async function send(batch: Item[], byBeacon?: boolean): Promise<Outcome> {
  batch.forEach(([key]) => inFlight.add(key));
  const outcome = await post(settings.path ?? "/v1/events", batch.map(([, json]) => json), "", byBeacon);
  batch.forEach(([key, json]) => {
    inFlight.delete(key);
    // Unless it changed meanwhile, as a dwell that grew.
    if (outcome && read(key) === json) discard(key);
  });
  return outcome;
}

async function post(path: string, events: string[], token: string, byBeacon?: boolean): Promise<Outcome> {
  // While this tab waited for another, that may have been told to stop.
  if (mayNot()) return Outcome.Later;
  const told = +read(RETRY_AT)! - Date.now();
  // Longer than was ever written: the clock was set right meanwhile.
  if (told > 0 && told <= LONGEST_TOLD) {
    flushIn(told);
    return Outcome.Later;
  }
  const said = { write_key: settings.writeKey, sent_at: new Date().toISOString() };
  const body = `${JSON.stringify(said).slice(0, -1)},"events":[${events}]}`;
  const address = `${settings.endpoint ?? ""}`.replace(/\/$/, "") + path;
  const bytes = new Blob([body]).size;
  const share = bytesInFlight + bytes < QUOTA ? bytes : 0;
  if (byBeacon && navigator.sendBeacon?.(address, body)) {
    // Whether it arrived nobody says; a page that is closed by then doesn't send it once more.
    await new Promise((resolve) => setTimeout(resolve, ORPHANED));
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
      signal: (AbortSignal as Partial<typeof AbortSignal>).timeout?.(REQUEST_TIMEOUT),
    });
    why = `${answer.status} ${await answer.text()}`;
    // What a wrong key refuses may be taken tomorrow, but no wrong token.
    if (answer.ok || (token ? [400, 401, 403, 413] : [400, 413]).includes(answer.status)) {
      failures = 0;
      flushIn(FLUSH_INTERVAL);
      log("sent", events.length, why);
      return answer.ok ? Outcome.Taken : Outcome.Refused;
    }
    const after = answer.headers.get("retry-after")!;
    wait = Math.min(+after * 1000 || Date.parse(after) - Date.now() || 0, LONGEST_TOLD);
    if (!mayNot()) write(RETRY_AT, `${Date.now() + wait}`);
  } catch (error) {
    why = error;
  } finally {
    bytesInFlight -= share;
  }
  wait = Math.max(wait, Math.min(1000 * 2 ** failures++, LONGEST_WAIT) * (0.5 + Math.random() / 2));
  log(why, stored().length, "waiting", wait | 0, "ms");
  flushIn(wait);
  return Outcome.Later;
}
