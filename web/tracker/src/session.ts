import { read, remove, write } from "./storage";
import { uuid } from "./uuid";

const KEY = "footfall";
const TIMEOUT = 30 * 60_000;

/** Shared by the tabs of a site. */
export interface Visitor {
  id: string;
  session: string;
  /** The last activity, in milliseconds. */
  at: number;
  /** A digest of the user last identified, and the session in which the server took that. */
  user?: number;
  told?: string;
}

/** Who acts now, in which session: 30 minutes without activity end one. */
export function visitor(change?: Partial<Visitor>): Visitor {
  let known: Partial<Visitor> = {};
  try {
    known = JSON.parse(read(KEY)!) || {};
  } catch {
    // Somebody else's words.
  }
  const now = Date.now();
  const isOver = !(now - known.at! < TIMEOUT);
  const found = { ...known, id: known.id || uuid(), session: isOver ? uuid() : known.session!, at: now, ...change };
  write(KEY, JSON.stringify(found));
  return found;
}

export const forget = (): void => remove(KEY);
