import { useEffect } from "react";

import { tracker } from "./one";
import type { FromFeed } from "./types";

/** A page view whenever the path changes: `usePageViews(useLocation().pathname)`. */
export function usePageViews(path?: string): void {
  useEffect(() => {
    void tracker.trackPageView(path);
  }, [path]);
}

/** A view of that content for as long as the component is there, with its visible dwell time. */
export function useContentView(contentType: string, contentId: string, from?: FromFeed): void {
  const { feedId, position } = from ?? {};
  useEffect(() => tracker.viewContent(contentType, contentId, { feedId, position }).end, [
    contentType,
    contentId,
    feedId,
    position,
  ]);
}
