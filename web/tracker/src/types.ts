/** What `data-*` attributes say in a page, or `init` in a module. "false" switches off what is on by default. */
export interface Settings {
  /** Address of the API; of a script tag the script's own origin by default. */
  endpoint?: string;
  /** A browser key. */
  writeKey?: string;
  /** Where events are sent at the endpoint, `/v1/events` by default. */
  path?: string;
  /** Where a user's token is sent at the endpoint, `/v1/me/events` by default. */
  identifyPath?: string;
  /** Page views by themselves, on by default. */
  auto?: Flag;
  /** Whether the fragment is part of a page's path, for routers that navigate by it. */
  hash?: Flag;
  /** Clicks on links to other sites. */
  outbound?: Flag;
  /** Clicks on elements with `data-track="action"`. */
  clicks?: Flag;
  /** `memory`: nothing is stored in the browser, and each page load is a visitor of its own. */
  storage?: "memory" | string;
  /** Whether everything is held, and nothing stored, until `optIn()`. */
  consent?: Flag;
  /** Whether Global Privacy Control and Do Not Track are honoured, on by default. */
  signals?: Flag;
  /** Query and fragment parameters that no address keeps, separated by commas; `*` stands for any letters. */
  strip?: string;
  /** Whether PostHog, Mixpanel and gtag are told where the page has them, on by default. */
  forward?: Flag;
  /** Says in the console what becomes of each event. */
  debug?: Flag;
}

/** `""` is what an attribute without a value says. */
export type Flag = boolean | string;

// Not `unknown`: that refuses what an interface describes.
export type Metadata = Record<string, any>;

export interface TrackEventParams {
  eventType: string;
  eventCategory?: string;
  eventAction?: string;
  metadata?: any;
  pagePath?: string;
}

/** Where in which feed an item was shown. */
export interface FromFeed {
  feedId?: string;
  position?: number;
}

export interface ContentView {
  /** Sends how long the content was visible and focused; does nothing the second time. */
  end(): void;
}

/** No call throws into the page, and no promise rejects: it is kept once the event is in the queue. */
export interface Tracker {
  /** Starts it; a script tag does so by itself. What was called before is not lost. */
  init(settings: Settings): Promise<void>;
  track(params: TrackEventParams): Promise<void>;
  trackPageView(pagePath?: string): Promise<void>;
  trackAction(action: string, category: string, metadata?: any): Promise<void>;
  /** A second call for the same interaction with a duration (in seconds) makes the first one longer. */
  trackContentInteraction(
    contentType: string,
    contentId: string,
    interactionType: string,
    duration?: number,
    from?: FromFeed,
  ): Promise<void>;
  /** A view that measures itself, until `end()` or until the page is left. */
  viewContent(contentType: string, contentId: string, from?: FromFeed): ContentView;
  /** Ties this browser's anonymous id to the user whose token (a JWT) it is. It is kept in memory only. */
  identify(token: string, traits?: Metadata): Promise<void>;
  /** After a logout: a new anonymous id and session. */
  reset(): Promise<void>;
  optOut(): Promise<void>;
  optIn(): Promise<void>;
}

/** An event as it is sent. */
export interface Event {
  id: string;
  created_at: string;
  anonymous_id?: string;
  session_id?: string;
  type?: "interaction" | "identify";
  event_type?: string;
  duration_seconds?: number;
  [field: string]: unknown;
}
