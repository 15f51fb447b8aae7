const COUNT = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const FEW = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const SHARE = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const NOTHING = "–";

export function count(value: number | null): string {
  return value === null ? NOTHING : COUNT.format(value);
}

/** 1 action, 2 actions. */
export function several(value: number, thing: string): string {
  return `${count(value)} ${thing}${value === 1 ? "" : "s"}`;
}

export function decimal(value: number | null): string {
  return value === null ? NOTHING : FEW.format(value);
}

/** 0.421 as 42.1%. */
export function share(value: number | null): string {
  return value === null ? NOTHING : SHARE.format(value);
}

/** Seconds as people say them, in two units at most: 3 m 20 s. */
export function duration(seconds: number | null): string {
  if (seconds === null) return NOTHING;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  for (const [size, name, small, smaller] of UNITS) {
    if (whole >= size) {
      const rest = Math.floor((whole % size) / small);
      return `${Math.floor(whole / size)} ${name}${rest ? ` ${rest} ${smaller}` : ""}`;
    }
  }
  return `${whole} s`;
}

const UNITS = [
  [86_400, "d", 3600, "h"],
  [3600, "h", 60, "m"],
  [60, "m", 1, "s"],
] as const;

/** How long before `now`: 3 m 20 s ago. */
export function ago(at: string | null, now: number): string {
  if (at === null) return "never";
  const seconds = Math.max(0, (now - Date.parse(at)) / 1000);
  return seconds < 3 ? "just now" : `${duration(seconds)} ago`;
}

/** A day without a zone, as in 22 Nov. */
export function day(date: string): string {
  return DAY.format(new Date(`${date.slice(0, 10)}T00:00:00Z`));
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

/** A moment in a zone, as in 22 Nov, 14:03; with its year, if that isn't this one. */
export function moment(at: string, zone: string): string {
  const date = new Date(at);
  return new Intl.DateTimeFormat("en-GB", {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    ...(date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" }),
    timeZone: zone,
  }).format(date);
}

export function clock(at: string, zone: string, withSeconds = false): string {
  return new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    ...(withSeconds ? { second: "2-digit" } : {}),
    timeZone: zone,
  }).format(new Date(at));
}

const REGIONS = new Intl.DisplayNames("en", { type: "region", fallback: "code" });

export function country(code: string | null): string {
  if (!code || code === "unknown") return "Unknown";
  return /^[A-Z]{2}$/.test(code) ? (REGIONS.of(code) ?? code) : code;
}
