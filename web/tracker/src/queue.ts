import { forget } from "./session";
import { log } from "./settings";
import { keys, read, remove, write } from "./storage";
import type { Event } from "./types";
import { ageOf } from "./uuid";

/** An event's key in the store, and its JSON. */
export type Item = [key: string, json: string];

// Each event has a key of its own, so that no tab ever writes over what another has added.
const PREFIX = "footfall_e_";
const MOST = 1000;
const MOST_CHARACTERS = 1_000_000;
const TTL = 30 * 86_400_000;
// What other pages left is taken over when it is so old that they can't be about to send it themselves.
const ORPHANED = 10_000;

/** Keys that this page wrote, and those on their way. */
const own = new Set<string>();
export const flying = new Set<string>();

const ageOfKey = (key: string): number => ageOf(key.slice(PREFIX.length));

export function put(event: Event): void {
  const key = PREFIX + event.id;
  own.add(key);
  write(key, JSON.stringify(event));
}

export function discard(key: string): void {
  own.delete(key);
  remove(key);
}

export const ownWaiting = (): number => own.size - flying.size;

/** The keys of what waits, oldest first; what is too old or too much is dropped. */
export function stored(): string[] {
  let room = MOST_CHARACTERS;
  const isKept = (key: string, index: number): boolean => {
    room -= read(key)!.length;
    if (index < MOST && room > 0 && ageOfKey(key) < TTL) return true;
    log("dropped: too old or many");
    discard(key);
    return false;
  };
  return keys(PREFIX).reverse().filter(isKept).reverse();
}

/** What may be sent now in a body of so many bytes. */
export function next(most: number, alone?: boolean): Item[] {
  const items: Item[] = [];
  for (const key of stored()) {
    if (flying.has(key) || (!own.has(key) && ageOfKey(key) < ORPHANED)) continue;
    const json = read(key)!;
    most -= new Blob([json]).size + 1;
    // One that fits nowhere goes alone.
    if (most > 0 || (alone && !items.length)) items.push([key, json]);
  }
  return items;
}

export function clear(): void {
  keys(PREFIX).forEach(discard);
  forget();
}
