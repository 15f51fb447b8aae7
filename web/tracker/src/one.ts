import { tracker as ours } from "./tracker";
import type { Tracker } from "./types";

// A page may load the script twice, or the script and the module.
const KEY = Symbol.for("footfall");

/** The one tracker of this page. */
export const tracker: Tracker = ((globalThis as { [KEY]?: Tracker })[KEY] ??= ours);
