import { settings } from "./settings";

const memory: Record<string, string> = {};

/** Somebody's choice outlives the page also where nothing else is stored. */
export const CHOICE = "footfall_choice";

/** What the browser stores, or nothing where it refuses. */
function disk(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

const shared = (key?: string): Storage | undefined =>
  settings.storage === "memory" && key !== CHOICE ? undefined : disk();

export const read = (key: string): string | null => memory[key] ?? shared(key)?.getItem(key) ?? null;

/** In memory where the browser's store isn't there, or full. */
export function write(key: string, value: string): void {
  try {
    shared(key)!.setItem(key, value);
    delete memory[key];
  } catch {
    memory[key] = value;
  }
}

export function remove(key: string): void {
  delete memory[key];
  shared()?.removeItem(key);
}

/** In their order. */
export const keys = (prefix: string): string[] =>
  Object.keys({ ...shared(), ...memory })
    .filter((key) => key.startsWith(prefix))
    .sort();
