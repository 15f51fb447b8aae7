export const isHidden = (): boolean => document.visibilityState === "hidden";

let total = 0;
let since: number | undefined;

/** Milliseconds in which the page was visible and focused. */
export function attended(): number {
  const now = performance.now();
  if (since !== undefined) total += now - since;
  since = !isHidden() && document.hasFocus() ? now : undefined;
  return total;
}
