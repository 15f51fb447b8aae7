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
export const ORPHANED = 10_000;

/** Keys that this page wrote, and those on their way. */
const own = new Set<string>();
export const inFlight = new Set<string>();

const ageOfKey = (key: string): number => ageOf(key.slice(PREFIX.length));

export function put(event: Event): void {
  const key = PREFIX + event.id;
  const json = JSON.stringify(event);
  // It would push out all others.
  if (json.length > MOST_CHARACTERS) return log("dropped: full");
  own.add(key);
  write(key, json);
}

export function discard(key: string): void {
  own.delete(key);
  remove(key);
}

export const ownWaiting = (): number => own.size - inFlight.size;

/** The keys of what waits, oldest first; what is too old, too large or too much is dropped. */
export function stored(): string[] {
  let room = MOST_CHARACTERS;
  const isKept = (key: string, index: number): boolean => {
    room -= read(key)!.length;
    if (index < MOST && room >= 0 && ageOfKey(key) < TTL) return true;
    log("dropped: full");
    discard(key);
    return false;
  };
  return keys(PREFIX).reverse().filter(isKept).reverse();
}

/** What may be sent now, oldest first, in a body of so many bytes. */
export function next(most: number, alone?: boolean): Item[] {
  const items: Item[] = [];
  for (const key of stored()) {
    const age = ageOfKey(key);
    if (inFlight.has(key) || (!own.has(key) && age >= 0 && age < ORPHANED)) continue;
    const json = read(key)!;
    const size = new Blob([json]).size + 1;
    // One that fits nowhere goes alone.
    if (size < most || (alone && !items.length)) {
      items.push([key, json]);
      most -= size;
    }
  }
  return items;
}

/** Forgets what waits, and until when. */
export const clear = (): void => keys("footfall_").forEach(discard);
