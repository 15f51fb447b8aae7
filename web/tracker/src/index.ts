export { tracker } from "./one";
export type { ContentView, FromFeed, Metadata, Settings, TrackEventParams, Tracker } from "./types";
