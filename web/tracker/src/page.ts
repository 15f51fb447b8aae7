import { clean } from "./privacy";
import { isOn, settings } from "./settings";
import type { Tracker } from "./types";

/** The path of the last page view, and of one that the page hasn't asked for itself. */
let viewed: string | undefined;
let unasked: string | undefined;
let address: string | undefined;
let previous: string | undefined;

export const pagePath = (): string => clean(location.pathname + (isOn(settings.hash) ? location.hash : ""));

/** The page before this one, also where the browser hasn't loaded a new document. */
export const referrer = (): string => clean(previous ?? document.referrer);

/** Whether a view of this path is a new one: a navigation is one, whether the page tells of it or we see it. */
export function isNewView(path: string): boolean {
  const isNew = path !== unasked;
  unasked = undefined;
  if (path === pagePath()) viewed = path;
  if (address !== location.href) {
    previous = address;
    address = location.href;
  }
  return isNew;
}

export function watchPage({ trackPageView, trackAction }: Tracker): void {
  const view = () => {
    unasked = undefined;
    trackPageView();
    unasked = viewed;
  };
  const look = () => {
    if (viewed !== pagePath()) view();
  };
  const clicked = ({ target, button }: MouseEvent) => {
    // The right one opens a menu.
    if (button > 1) return;
    const element = (target as Element).closest?.<HTMLElement>("[data-track]");
    if (element && isOn(settings.clicks)) {
      const { track, trackCategory, ...rest } = element.dataset;
      trackAction(track!, trackCategory ?? "engagement", rest);
    }
    const link = (target as Element).closest?.<HTMLAnchorElement>("a[href]");
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
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", look);
  else look();
}
