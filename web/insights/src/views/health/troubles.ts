import { ago, count, duration } from "../../parts/format.ts";
import type { Operations } from "./Health.tsx";

// As the alarms of template.yaml have it.
const OLD_SECONDS = 300;
const OVERDUE_SECONDS = 900;
const MONTHS_AHEAD_DAYS = 7;
const DAY = 86_400_000;

/** What somebody should look at, in words; none where all is well. */
export function troublesOf(found: Operations): string[] {
  const { queue, dead_letters: letters, quarantine, analyze, months } = found;
  const now = Date.parse(found.now);
  const said = [
    found.unavailable.length > 0 &&
      `Nobody answers for ${found.unavailable.join(", ")}: what is shown of it is missing.`,
    (queue.oldest_seconds ?? 0) > OLD_SECONDS &&
      `Events wait since ${duration(queue.oldest_seconds)} to be written.`,
    letters.waiting > 0 &&
      `${count(letters.waiting)} messages were given up. Send them back once the cause is mended.`,
    quarantine.waiting > 0 && `${count(quarantine.waiting)} events were refused and are kept in quarantine.`,
    (analyze.lag_seconds ?? 0) > OVERDUE_SECONDS &&
      `Learning is overdue: last finished ${ago(analyze.last_run_at, now)}.`,
    months.made_until !== null &&
      Date.parse(months.made_until) - now < MONTHS_AHEAD_DAYS * DAY &&
      `Months are made only until ${months.made_until}; later events could not be stored.`,
  ];
  return said.filter((trouble) => trouble !== false);
}
