import type { Flag, Settings } from "./types";

export const settings: Settings = {};

export const isOn = (flag: Flag | undefined, byDefault = false): boolean =>
  flag == null ? byDefault : `${flag}` !== "false";

export function log(...words: unknown[]): void {
  if (isOn(settings.debug)) console.info("[footfall]", ...words);
}
