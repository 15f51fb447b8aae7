let total = 0;
let since: number | undefined;

/** Milliseconds in which the page was visible and focused. */
export function attended(): number {
  const now = performance.now();
  if (since !== undefined) total += now - since;
  since = document.visibilityState === "visible" && document.hasFocus() ? now : undefined;
  return total;
}
