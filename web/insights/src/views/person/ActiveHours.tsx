const HOURS = Array.from({ length: 24 }, (_, hour) => hour);

interface Props {
  hours: readonly number[];
  /** Their own; null where none is known. */
  zone: string | null;
}

/** A day of theirs, with the busiest hours in it and the one that they have now. */
export function ActiveHours({ hours, zone }: Props) {
  if (hours.length === 0) {
    return (
      <p className="empty">
        Not known yet: the busiest hours of seven days are learned within a minute of the first visit.
      </p>
    );
  }
  const now = zone ? hourIn(zone) : undefined;
  const said = hours.toSorted((one, other) => one - other).map((hour) => `${hour}–${hour + 1}`);
  return (
    <>
      <div className="hours" role="img" aria-label={`Busiest from ${said.join(", ")} o’clock`}>
        {HOURS.map((hour) => (
          <span key={hour} className={classes(hours.includes(hour), hour === now)}>
            {hour % 6 === 0 && <small>{String(hour).padStart(2, "0")}</small>}
          </span>
        ))}
      </div>
      <p>
        Busiest {said.join(", ")} o’clock
        <span className="note">
          {" "}
          in {zone ?? "an unknown zone, so UTC"}
          {now !== undefined && `, where it is ${clockIn(zone)} now`}
        </span>
      </p>
    </>
  );
}

function classes(isBusy: boolean, isNow: boolean): string {
  return [isBusy ? "busy" : "", isNow ? "now" : ""].join(" ").trim();
}

function hourIn(zone: string): number {
  return Number(new Intl.DateTimeFormat("en-GB", { hour: "2-digit", timeZone: zone }).format(new Date()));
}

function clockIn(zone: string | null): string {
  const options = { hour: "2-digit", minute: "2-digit", timeZone: zone ?? "UTC" } as const;
  return new Intl.DateTimeFormat("en-GB", options).format(new Date());
}
