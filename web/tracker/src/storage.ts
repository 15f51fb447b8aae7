import { settings } from "./settings";

const memory: Record<string, string> = {};

/** What the browser stores, or nothing where it refuses. */
export function disk(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

const shared = (): Storage | undefined => (settings.storage === "memory" ? undefined : disk());

export const read = (key: string): string | null => memory[key] ?? shared()?.getItem(key) ?? null;

/** In memory where the browser's store isn't there, or full. */
export function write(key: string, value: string): void {
  try {
    shared()!.setItem(key, value);
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
