import type { Flag, Settings } from "./types";

export let settings: Settings = {};

export function configure(said: Settings): void {
  settings = said;
}

export const isOn = (flag: Flag | undefined, byDefault?: boolean): boolean | undefined =>
  flag == null ? byDefault : `${flag}` !== "false";

export function log(...words: unknown[]): void {
  if (isOn(settings.debug)) console.info("[footfall]", ...words);
}
