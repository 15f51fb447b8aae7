import { enqueue, flush, flushOnUnload, identifies, soon } from "./delivery";
import { attended, isHidden } from "./dwell";
import { forward } from "./forward";
import { isNewView, pagePath, referrer, watchPage } from "./page";
import { choose, clean, hasOptedOut, lacksConsent, refusal } from "./privacy";
import { clear } from "./queue";
import { forget, visitor } from "./session";
import { log, settings } from "./settings";
import type { ContentView, Event, FromFeed, Metadata, Settings, TrackEventParams, Tracker } from "./types";
import { uuid } from "./uuid";

const MOST_HELD = 1000;

let isConfigured = false;
let hasStarted = false;
let sequence = 0;

/** Events that wait for the start or for consent; an identify with its token. */
const held = new Map<Event, string | undefined>();
/** Views that a second call may make longer, and those that measure themselves. */
const views = new Map<string, Event>();
const measuring = new Set<() => void>();

function record(fields: Partial<Event>, token?: string): Event {
  const event: Event = {
    id: uuid(),
    created_at: new Date().toISOString(),
    page_path: pagePath(),
    referrer: referrer(),
    time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    sequence: sequence++,
    context: {
      viewport: `${innerWidth}x${innerHeight}`,
      screen: `${screen.width}x${screen.height}`,
      touch: navigator.maxTouchPoints,
    },
    ...fields,
  };
  admit(event, token);
  return event;
}

/** Lets an event into the queue, holds it back, or drops it. */
function admit(event: Event, token?: string): void {
  const why = hasStarted && refusal();
  if (why) return log("dropped:", why);
  if (!hasStarted || lacksConsent()) {
    if (held.size < MOST_HELD) held.set(event, token);
    return log("held:", hasStarted ? "no consent" : "no init");
  }
  if (!event.anonymous_id) {
    if (event.type !== "identify") forward(event);
    const user = token ? digest(token) : 0;
    // Two users of one browser are two visitors.
    if (user && (visitor().user ?? user) !== user) forget();
    const { id, session, told } = visitor(user ? { user } : {});
    if (token && told === session && !event.traits) return;
    event.anonymous_id = id;
    event.session_id = session;
  }
  enqueue(event, token);
}

/** Does with what is in memory as somebody has chosen, here or in another tab. */
function release(): void {
  if (hasOptedOut()) {
    held.clear();
    views.clear();
    measuring.clear();
    identifies.length = 0;
  }
  const waiting = [...held];
  held.clear();
  for (const one of waiting) admit(...one);
}

function act(type: string, category?: string, action?: string, metadata?: Metadata, path?: string): void {
  record({
    event_type: type,
    event_category: category,
    event_action: action,
    metadata: copy(metadata),
    page_path: clean(path || pagePath()),
  });
}

function track({ eventType, eventCategory, eventAction, metadata, pagePath }: TrackEventParams): void {
  act(eventType, eventCategory, eventAction, metadata, pagePath);
}

function trackPageView(path?: string): void {
  if (!isNewView(path || pagePath())) return;
  act("page_view", "navigation", "view", { title: document.title, url: clean(location.href) }, path);
}

function trackAction(action: string, category: string, metadata?: Metadata): void {
  act("user_action", category, action, metadata);
}

function interact(type: string, id: string, interaction: string, duration?: number, from?: FromFeed): Event {
  return record({
    type: "interaction",
    content_type: type,
    content_id: id,
    interaction_type: interaction,
    duration_seconds: duration && Math.floor(duration),
    feed_id: from?.feedId,
    position: from?.position,
  });
}

function trackContentInteraction(...said: Parameters<typeof interact>): void {
  const duration = said[3];
  const key = `${said.slice(0, 3)}`;
  const earlier = views.get(key);
  if (duration == null) {
    views.set(key, interact(...said));
  } else if (earlier) {
    views.delete(key);
    lengthen(earlier, duration);
  } else {
    interact(...said);
  }
}

function viewContent(type: string, id: string, from?: FromFeed): ContentView {
  let measure: () => void;
  safely(() => {
    const begin = attended();
    const event = interact(type, id, "view", undefined, from);
    measure = () => lengthen(event, (attended() - begin) / 1000);
    measuring.add(measure);
  })();
  return {
    end: () => {
      if (measuring.delete(measure)) measure();
    },
  };
}

/** The same event again with a larger duration replaces the first. */
function lengthen(event: Event, seconds: number): void {
  seconds = Math.floor(seconds);
  if (seconds > (event.duration_seconds ?? 0)) {
    event.duration_seconds = seconds;
    admit(event);
  }
}

function identify(token: string, traits?: Metadata): void {
  record({ type: "identify", traits: copy(traits) }, token);
}

function reset(): void {
  // What is held until somebody's consent is of who was there before.
  if (hasStarted) held.clear();
  views.clear();
  forget();
}

function optOut(): void {
  clear();
  forget();
  choose("out");
  release();
}

function optIn(): void {
  choose("in");
  release();
}

/** What can be sent of what a page calls metadata, as it is now. */
function copy(metadata: unknown): unknown {
  try {
    const plain: unknown = JSON.parse(JSON.stringify(metadata));
    return plain === Object(plain) && !Array.isArray(plain) ? plain : { value: plain };
  } catch {
    return undefined;
  }
}

/** Of a JWT whose it is, as a number that doesn't tell; 0 if it can't be read. */
function digest(token: string): number {
  try {
    const { sub } = JSON.parse(atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/")));
    return [...`${sub}`].reduce((sum, letter) => Math.imul(sum ^ letter.charCodeAt(0), 16777619), 9);
  } catch {
    return 0;
  }
}

function init(said: Settings): void {
  if (isConfigured) return;
  isConfigured = true;
  Object.assign(settings, said);
  const page = document as Document & { prerendering?: boolean };
  if (page.prerendering) page.addEventListener("prerenderingchange", start, { once: true });
  else start();
}

function start(): void {
  hasStarted = true;
  attended();
  addEventListener("focus", attended);
  addEventListener("blur", attended);
  addEventListener("online", flush);
  // Perhaps another tab was told a choice; soon it will have said who the visitor is.
  addEventListener("storage", () => setTimeout(release, 50));
  addEventListener("pagehide", hide);
  addEventListener("visibilitychange", () => {
    attended();
    if (isHidden()) hide();
    else soon();
  });
  release();
  watchPage(tracker);
  soon();
}

function hide(): void {
  measuring.forEach((measure) => measure());
  flushOnUnload();
}

/** Nothing that fails in here concerns the page. */
const safely =
  <Words extends unknown[]>(call: (...words: Words) => void) =>
  async (...words: Words): Promise<void> => {
    try {
      call(...words);
    } catch (error) {
      log(error);
    }
  };

export const tracker: Tracker = {
  init: safely(init),
  track: safely(track),
  trackPageView: safely(trackPageView),
  trackAction: safely(trackAction),
  trackContentInteraction: safely(trackContentInteraction),
  viewContent,
  identify: safely(identify),
  reset: safely(reset),
  optOut: safely(optOut),
  optIn: safely(optIn),
};
