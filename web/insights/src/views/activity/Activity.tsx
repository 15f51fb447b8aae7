import { FilterBar, TextFilter } from "../../address/FilterBar.tsx";
import { filtersOf, useAddress } from "../../address/address.ts";
import { answerOf } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { inWords } from "../../embed/words.ts";
import { count, day, decimal, moment } from "../../parts/format.ts";
import { Figures, Panel } from "../../parts/Panel.tsx";
import { Report } from "../../parts/Report.tsx";
import { Table } from "../../parts/Table.tsx";
import { TimeChart } from "../../parts/TimeChart.tsx";
import { useOperator } from "../../session/Gate.tsx";

// As many as have colours of their own.
const MOST_TYPES = 6;

/** How much happens, by type and action. */
export default function Activity() {
  const { api } = useOperator();
  const { said, change } = useAddress();
  const type = said.get("event_type");
  const by: "hour" | "day" = said.get("by") === "hour" ? "hour" : "day";
  const query = { ...filtersOf(said), by, ...(type ? { event_type: type } : {}) };
  const activity = useAnswer(JSON.stringify(query), (signal) =>
    answerOf(api.GET("/v1/analytics/activity", { params: { query }, signal })),
  );
  const filters = (
    <FilterBar>
      <label>
        <span>By</span>
        <select
          value={by}
          onChange={(event) => change({ by: event.target.value === "hour" ? "hour" : undefined })}
        >
          <option value="day">Day</option>
          <option value="hour">Hour</option>
        </select>
      </label>
      <TextFilter
        label="Event type"
        value={type ?? ""}
        hint="all"
        choices={activity.data?.types.map((one) => one.event_type) ?? []}
        onChange={(chosen) => change({ event_type: chosen })}
      />
    </FilterBar>
  );
  return (
    <Report title="Activity" answer={activity} filters={filters}>
      {(report) => {
        const say = (at: string) =>
          report.by === "day" ? day(inZone(at, report.time_zone)) : moment(at, report.time_zone);
        const moments = report.points.map(({ at }) => say(at));
        const types = report.types.slice(0, MOST_TYPES);
        return (
          <>
            <Panel title="In this period" isWide>
              <Figures
                figures={[
                  ["Events", count(report.events)],
                  ["Visitors", count(report.visitors)],
                  ["Events a visitor", decimal(report.visitors ? report.events / report.visitors : null)],
                ]}
              />
            </Panel>
            <Panel title="Events by type" isWide>
              <TimeChart
                label={`Events by type, each ${report.by}`}
                kind="stack"
                moments={moments}
                series={types.map(({ event_type: name, points }) => ({
                  name: inWords(name),
                  values: points,
                }))}
              />
              <Table
                caption="Event types"
                isCaptionHidden
                rows={report.types}
                columns={[
                  { head: "Type", value: (row) => row.event_type },
                  { head: "Events", value: (row) => row.events, hasBar: true },
                ]}
                empty="No events in this period. Choose a longer one, fewer filters, or send some."
              />
            </Panel>
            <Panel
              title="Visitors"
              note={type ? "Counted of all types together only." : "Whose sessions began then"}
              isWide
            >
              {!type && (
                <TimeChart
                  label={`Visitors, each ${report.by}`}
                  kind="bars"
                  moments={moments}
                  series={[{ name: "Visitors", values: report.points.map(({ visitors }) => visitors) }]}
                />
              )}
              <Table
                caption={`Activity by ${report.by}`}
                isCaptionHidden
                most={7}
                rows={report.points.toReversed()}
                columns={[
                  {
                    head: report.by === "day" ? "Day" : "Hour",
                    value: ({ at }) => at,
                    show: ({ at }) => say(at),
                  },
                  { head: "Events", value: ({ events }) => events, isNumber: true },
                  { head: "Visitors", value: ({ visitors }) => visitors, isNumber: true },
                ]}
              />
            </Panel>
            <Panel title="Actions" isWide>
              <Table
                caption="Actions"
                isCaptionHidden
                rows={report.actions}
                columns={[
                  { head: "Type", value: (row) => row.event_type },
                  { head: "Action", value: (row) => row.event_action },
                  { head: "Events", value: (row) => row.events, hasBar: true },
                ]}
              />
            </Panel>
          </>
        );
      }}
    </Report>
  );
}

/** The day in its zone on which it begins. */
function inZone(at: string, zone: string): string {
  return new Intl.DateTimeFormat("en-CA", { timeZone: zone, dateStyle: "short" }).format(new Date(at));
}
