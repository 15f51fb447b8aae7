import { clean } from "./privacy";
import { isOn, settings } from "./settings";
import type { Tracker } from "./types";

/** The path of the last page view, and whether the page has not asked for that view itself. */
let viewed: string | undefined;
let isByItself = false;
let address: string | undefined;
let previous: string | undefined;

export const pagePath = (): string => clean(location.pathname + (isOn(settings.hash) ? location.hash : ""));

/** The page before this one, also where the browser hasn't loaded a new document. */
export const referrer = (): string => clean(previous ?? document.referrer);

/** Whether a view of this path is a new one: a navigation is one, whether the page tells of it or we see it. */
export function isNewView(path: string): boolean {
  const isHere = path === pagePath();
  const isTold = isHere && isByItself && path === viewed;
  isByItself = false;
  if (isHere) viewed = path;
  if (address !== location.href) {
    previous = address;
    address = location.href;
  }
  return !isTold;
}

export function watchPage({ trackPageView, trackAction }: Tracker): void {
  const view = () => {
    isByItself = false;
    trackPageView();
    isByItself = true;
  };
  const look = () => {
    if (viewed !== pagePath()) view();
  };
  const clicked = ({ target }: Event) => {
    const element = (target as Element).closest<HTMLElement>("[data-track]");
    if (element && isOn(settings.clicks)) {
      const { track, trackCategory, ...rest } = element.dataset;
      trackAction(track!, trackCategory ?? "engagement", rest);
    }
    const link = (target as Element).closest<HTMLAnchorElement>("a[href]");
    if (link?.host && link.host !== location.host && isOn(settings.outbound)) {
      trackAction("outbound_click", "navigation", { url: clean(link.href) });
    }
  };
  addEventListener("click", clicked, true);
  addEventListener("auxclick", clicked, true);
  if (!isOn(settings.auto, true)) return;
  for (const name of ["pushState", "replaceState"] as const) {
    const original = history[name];
    history[name] = (...words) => {
      original.apply(history, words);
      // By then the page has its new title.
      setTimeout(look);
    };
  }
  addEventListener("popstate", () => setTimeout(look));
  addEventListener("pageshow", ({ persisted }) => persisted && view());
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", look);
  else look();
}
