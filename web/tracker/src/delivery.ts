import { exclusively } from "./lock";
import { flying, type Item, next, ownWaiting, put, settle, stored } from "./queue";
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
let retryAt = 0;
let bytesInFlight = 0;

/** Identifies that aren't delivered, with their tokens. */
const identifies: [event: Event, token: string][] = [];

/** What became of a request: taken, refused for good, or to be tried again. */
const enum Outcome {
  Later,
  Refused,
  Taken,
}

export function enqueue(event: Event): void {
  put(event);
  if (document.visibilityState === "hidden") {
    // The page may be closing, and this may come from a listener behind ours.
    Promise.resolve().then(() => Date.now() > retryAt && leave());
  } else if (ownWaiting() >= ENOUGH) {
    flush();
  } else {
    soon();
  }
}

export function enqueueIdentify(event: Event, token: string): void {
  identifies.push([event, token]);
  flush();
}

export function forgetTokens(): void {
  identifies.length = 0;
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
  const wait = Math.max(retryAt, toldToWait()) - Date.now();
  if (wait > 0) return soon(wait);
  isSending = true;
  try {
    await exclusively(sendAll);
  } catch (error) {
    log(error);
  }
  isSending = false;
  if (stored().length || identifies.length) soon(Math.max(retryAt - Date.now(), INTERVAL));
}

export function online(): void {
  retryAt = 0;
  flush();
}

/** The last chance of a page that may be closing. Whether it arrives nobody will know, so all stays stored. */
export function leave(): void {
  const batch = next(QUOTA - 1000 - bytesInFlight);
  if (batch.length && toldToWait() < Date.now()) send(batch);
}

const toldToWait = (): number => +read(RETRY_AT)!;

async function sendAll(): Promise<void> {
  for (let waiting = identifies[0]; waiting; waiting = identifies[0]) {
    if (!(await sendIdentify(...waiting))) return;
    identifies.shift();
  }
  for (let batch = next(BATCH, true); batch.length; batch = next(BATCH, true)) {
    if (!(await send(batch))) return;
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
  batch.forEach((item) => {
    flying.delete(item[0]);
    if (outcome) settle(item);
  });
  return outcome;
}

async function post(path: string, events: string[], token?: string): Promise<Outcome> {
  const said = { write_key: token ? undefined : settings.writeKey, sent_at: new Date().toISOString() };
  const body = `${JSON.stringify(said).slice(0, -1)},"events":[${events}]}`;
  const address = settings.endpoint + path;
  const bytes = new Blob([body]).size;
  const keepalive = bytesInFlight + bytes < QUOTA;
  if (!("keepalive" in Request.prototype) && document.visibilityState === "hidden") {
    if (navigator.sendBeacon?.(address, body)) return Outcome.Later;
  }
  if (keepalive) bytesInFlight += bytes;
  let why: unknown;
  let wait = 0;
  try {
    const answer = await fetch(address, {
      method: "POST",
      body,
      keepalive,
      credentials: "omit",
      headers: token ? { authorization: `Bearer ${token}` } : {},
      signal: (AbortSignal as Partial<typeof AbortSignal>).timeout?.(PATIENCE),
    });
    const { status } = answer;
    const { accepted, rejected, message } = await answer.json().catch(() => ({}));
    if (answer.ok || (status > 399 && status < 500 && status !== 408 && status !== 429)) {
      failures = retryAt = 0;
      log(status, "sent", events.length, "accepted", accepted ?? 0, message ?? "", ...(rejected ?? []));
      return answer.ok ? Outcome.Taken : Outcome.Refused;
    }
    const after = answer.headers.get("retry-after")!;
    wait = +after * 1000 || Date.parse(after) - Date.now() || 0;
    if (wait > 0) write(RETRY_AT, `${Date.now() + wait}`);
    why = status;
  } catch (error) {
    why = error;
  } finally {
    if (keepalive) bytesInFlight -= bytes;
  }
  const backoff = Math.min(1000 * 2 ** failures++, LONGEST_WAIT) * (0.5 + Math.random() / 2);
  retryAt = Date.now() + Math.max(wait, backoff);
  log(why, stored().length, "waiting, again in", Math.ceil((retryAt - Date.now()) / 1000), "s");
  soon(retryAt - Date.now());
  return Outcome.Later;
}
