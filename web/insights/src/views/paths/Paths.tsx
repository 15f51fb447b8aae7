import { FilterBar, TextFilter } from "../../address/FilterBar.tsx";
import { filtersOf, useAddress } from "../../address/address.ts";
import { answerOf } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { count } from "../../parts/format.ts";
import { Panel } from "../../parts/Panel.tsx";
import { Report } from "../../parts/Report.tsx";
import { Table } from "../../parts/Table.tsx";
import { useOperator } from "../../session/Gate.tsx";
import { Flow } from "./Flow.tsx";

const DEPTHS = [3, 4, 5, 6];

/** What follows what within sessions. */
export default function Paths() {
  const { api } = useOperator();
  const { said, change } = useAddress();
  const start = said.get("start");
  const depth = Number(said.get("depth") ?? 4);
  const query = { ...filtersOf(said), depth, ...(start ? { start } : {}) };
  const paths = useAnswer(JSON.stringify(query), (signal) =>
    answerOf(api.GET("/v1/analytics/paths", { params: { query }, signal })),
  );
  const begins = paths.data?.nodes.filter(({ step }) => step === 0).map(({ name }) => name) ?? [];
  const filters = (
    <FilterBar>
      <TextFilter
        label="Beginning with"
        value={start ?? ""}
        hint="any first step"
        choices={begins}
        onChange={(chosen) => change({ start: chosen })}
      />
      <label>
        <span>Steps</span>
        <select value={depth} onChange={(event) => change({ depth: event.target.value })}>
          {DEPTHS.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </label>
    </FilterBar>
  );
  return (
    <Report title="Paths" answer={paths} filters={filters}>
      {(report) => (
        <Panel
          title={`${report.is_sample ? "The latest " : ""}${count(report.sessions)} sessions${report.start ? ` from ${report.start} on` : ""}`}
          note="From left to right, what came after what. Choose a step to begin with it."
          isWide
        >
          {report.links.length > 0 && (
            <Flow nodes={report.nodes} links={report.links} onChoose={(name) => change({ start: name })} />
          )}
          <Table
            caption="Paths"
            isCaptionHidden
            rows={report.links.toSorted((one, other) => one.step - other.step || other.visits - one.visits)}
            columns={[
              { head: "Step", value: (link) => link.step + 1 },
              { head: "From", value: (link) => link.from },
              { head: "To", value: (link) => link.to },
              { head: "Visits", value: (link) => link.visits, hasBar: true },
            ]}
            empty={
              start
                ? `No session of this period has ${start}. A beginning is a page’s path or an action’s name, whole.`
                : "No session of this period has two steps."
            }
          />
        </Panel>
      )}
    </Report>
  );
}
