import { FilterBar } from "../../address/FilterBar.tsx";
import { filtersOf, useAddress } from "../../address/address.ts";
import { answerOf } from "../../api/client.ts";
import type { components } from "../../api/schema.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { download, toCsv } from "../../parts/csv.ts";
import { count, day } from "../../parts/format.ts";
import { Panel } from "../../parts/Panel.tsx";
import { Report } from "../../parts/Report.tsx";
import { useOperator } from "../../session/Gate.tsx";

type RetentionReport = components["schemas"]["RetentionReport"];

/** Of those who came first in a week, how many came again, week by week. */
export default function Retention() {
  const { api } = useOperator();
  const { said, change } = useAddress();
  const by: "day" | "week" = said.get("by") === "day" ? "day" : "week";
  const query = { ...filtersOf(said), by };
  const retention = useAnswer(JSON.stringify(query), (signal) =>
    answerOf(api.GET("/v1/analytics/retention", { params: { query }, signal })),
  );
  const filters = (
    <FilterBar>
      <label>
        <span>By</span>
        <select
          value={by}
          onChange={(event) => change({ by: event.target.value === "day" ? "day" : undefined })}
        >
          <option value="week">Week</option>
          <option value="day">Day</option>
        </select>
      </label>
    </FilterBar>
  );
  return (
    <Report title="Retention" answer={retention} filters={filters}>
      {(report) => (
        <Panel
          title={`Who came back, by ${report.by} of the first visit`}
          note={`A cell is the share of a row’s visitors who came in that ${report.by} after their first. Empty: it isn’t over.`}
          isWide
        >
          {report.cohorts.length > 0 ? (
            <HeatMap report={report} />
          ) : (
            <p className="empty">Nobody came for the first time in this period. Choose a longer one.</p>
          )}
        </Panel>
      )}
    </Report>
  );
}

function HeatMap({ report }: { report: RetentionReport }) {
  const longest = Math.max(...report.cohorts.map(({ returned }) => returned.length));
  const periods = Array.from({ length: longest }, (_, index) => index);
  const unit = report.by === "day" ? "Day" : "Week";
  function save(): void {
    const rows = report.cohorts.map(({ at, visitors, returned }) => [
      at,
      visitors,
      ...periods.map((one) => returned[one] ?? null),
    ]);
    download(
      "footfall-retention.csv",
      toCsv([[unit, "Visitors", ...periods.map((one) => `${unit} ${one}`)], ...rows]),
    );
  }
  return (
    <div className="table">
      <div className="scroll" tabIndex={0} role="region" aria-label="Retention">
        <table className="heat">
          <caption className="hidden">Retention</caption>
          <thead>
            <tr>
              <th scope="col">{unit} of</th>
              <th scope="col" className="number">
                Visitors
              </th>
              {periods.map((one) => (
                <th key={one} scope="col" className="number">
                  {unit} {one}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {report.cohorts.map(({ at, visitors, returned }) => (
              <tr key={at}>
                <th scope="row">{day(at)}</th>
                <td className="number">{count(visitors)}</td>
                {periods.map((one) => (
                  <Cell key={one} came={returned[one] ?? null} of={visitors} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="table-foot">
        <button type="button" className="plain" onClick={save}>
          CSV<span className="hidden"> of retention</span>
        </button>
      </p>
    </div>
  );
}

function Cell({ came, of }: { came: number | null; of: number }) {
  if (came === null || of === 0) return <td className="number" />;
  const part = came / of;
  const isHot = part > 0.6;
  // Roots, as most cells are small and differ there; in the middle no text could be read on either side.
  const heat = isHot ? 75 + 25 * part : 42 * Math.sqrt(part / 0.6);
  const style = { "--heat": `${Math.round(heat)}%` } as React.CSSProperties;
  return (
    <td className={isHot ? "number hot" : "number"} style={style} title={`${count(came)} of ${count(of)}`}>
      {Math.round(100 * part)}%
    </td>
  );
}
