import { isOn, settings } from "./settings";
import type { Event } from "./types";

type Tell = (...words: unknown[]) => void;

interface Analytics {
  posthog?: { capture: Tell };
  mixpanel?: { track: Tell };
  gtag?: Tell;
}

/** Tells the page's other analytics of an event that doesn't say yet whose it is. */
export function forward(event: Event): void {
  if (!isOn(settings.forward, true)) return;
  const page = window as Analytics;
  const fields = JSON.parse(JSON.stringify(event));
  const name = event.event_type ?? "content_interaction";
  const tell = [
    () => page.posthog?.capture(name, fields),
    () => page.mixpanel?.track(name, fields),
    () => page.gtag?.("event", name, fields),
  ];
  for (const one of tell) {
    try {
      one();
    } catch {
      // Theirs.
    }
  }
}
