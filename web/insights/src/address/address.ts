import { useMemo } from "react";
import { navigate, useSearch } from "wouter/use-browser-location";

import { dayIn, daysBefore, ownZone } from "./days.ts";

/** What all reports are asked with. */
export interface Filters {
  from: string;
  to: string;
  time_zone: string;
  device?: Device;
  country?: string;
  bots?: "true";
}

export type Device = (typeof DEVICES)[number];

export const DEVICES = ["desktop", "mobile", "tablet", "unknown"] as const;
export const PERIODS = [7, 28, 90];
/** What a link to another report takes along. */
const SHARED = ["days", "from", "to", "time_zone", "device", "country", "bots"];

export type Change = (changes: Record<string, string | string[] | undefined>) => void;

/** The address's search part: all that a view shows hangs on it, so that a link shows the same. */
export function useAddress(): { said: URLSearchParams; change: Change; shared: string } {
  // The browser's own: what wouter's says is decoded once already.
  const search = useSearch();
  return useMemo(() => {
    const said = new URLSearchParams(search);
    const change: Change = (changes) => {
      const after = changed(new URLSearchParams(location.search), changes);
      navigate(location.pathname + (after.size ? `?${after}` : ""));
    };
    const taken = new URLSearchParams([...said].filter(([name]) => SHARED.includes(name)));
    return { said, change, shared: taken.size ? `?${taken}` : "" };
  }, [search]);
}

/** The filters of the address; what it doesn't say is 28 days in the zone of who looks. */
export function filtersOf(said: URLSearchParams, now = new Date()): Filters {
  const zone = said.get("time_zone") ?? ownZone();
  const to = said.get("to") ?? dayIn(zone, now);
  const days = Number(said.get("days") ?? 28);
  const device = DEVICES.find((one) => one === said.get("device"));
  const country = said.get("country");
  return {
    from: said.get("from") ?? daysBefore(to, (PERIODS.includes(days) ? days : 28) - 1),
    to,
    time_zone: zone,
    ...(device ? { device } : {}),
    ...(country ? { country } : {}),
    ...(said.get("bots") === "true" ? { bots: "true" as const } : {}),
  };
}

function changed(before: URLSearchParams, changes: Parameters<Change>[0]): URLSearchParams {
  const after = new URLSearchParams(before);
  for (const [name, value] of Object.entries(changes)) {
    after.delete(name);
    for (const one of [value ?? []].flat()) if (one) after.append(name, one);
  }
  return after;
}
