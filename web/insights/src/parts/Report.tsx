import type { ReactNode } from "react";

import { FilterBar } from "../address/FilterBar.tsx";
import type { Answer } from "../api/use-answer.ts";
import { ago, day } from "./format.ts";
import { Head } from "./Head.tsx";
import { Shown } from "./Panel.tsx";

/** What each report says of itself. */
interface Dated {
  from: string;
  to: string;
  time_zone?: string;
  updated_at?: string;
}

interface Props<T extends Dated> {
  title: string;
  answer: Answer<T>;
  filters?: ReactNode;
  children: (report: T) => ReactNode;
}

/** A report's heading, filters and days around what it shows. */
export function Report<T extends Dated>({ title, answer, filters = <FilterBar />, children }: Props<T>) {
  return (
    <>
      <Head title={title}>{answer.data && <p className="note">{daysOf(answer.data)}</p>}</Head>
      {filters}
      <Shown answer={answer} what={title.toLowerCase()}>
        {(report) => <div className="panels">{children(report)}</div>}
      </Shown>
    </>
  );
}

function daysOf({ from, to, time_zone: zone = "UTC", updated_at: at }: Dated): string {
  return `${day(from)} to ${day(to)}, ${zone}${at ? ` · counted ${ago(at, Date.now())}` : ""}`;
}
