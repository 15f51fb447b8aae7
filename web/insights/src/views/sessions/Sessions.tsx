import { filtersOf, useAddress } from "../../address/address.ts";
import { answerOf } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { count, day, decimal, duration, share } from "../../parts/format.ts";
import { Figures, Panel } from "../../parts/Panel.tsx";
import { Report } from "../../parts/Report.tsx";
import { Table } from "../../parts/Table.tsx";
import { TimeChart } from "../../parts/TimeChart.tsx";
import { useOperator } from "../../session/Gate.tsx";

/** Visits: how many, how long, where they begin and end. */
export default function Sessions() {
  const { api } = useOperator();
  const query = filtersOf(useAddress().said);
  const sessions = useAnswer(JSON.stringify(query), (signal) =>
    answerOf(api.GET("/v1/analytics/sessions", { params: { query }, signal })),
  );
  return (
    <Report title="Sessions" answer={sessions}>
      {(report) => (
        <>
          <Panel title="In this period" isWide>
            <Figures
              figures={[
                ["Sessions", count(report.sessions)],
                ["Visitors", count(report.visitors)],
                ["Bounced", share(report.bounce_rate), "one page, no action, under 10 s"],
                ["Median length", duration(report.median_seconds)],
                ["Mean length", duration(report.mean_seconds)],
                ["Pages a session", decimal(report.page_views_per_session)],
              ]}
            />
          </Panel>
          <Panel title="Sessions a day" isWide>
            <TimeChart
              label="Sessions a day"
              kind="bars"
              moments={report.days.map(({ at }) => day(at))}
              series={[{ name: "Sessions", values: report.days.map((one) => one.sessions) }]}
            />
            <Table
              caption="Sessions by day"
              isCaptionHidden
              most={7}
              rows={report.days.toReversed()}
              columns={[
                { head: "Day", value: ({ at }) => at, show: ({ at }) => day(at) },
                { head: "Sessions", value: (row) => row.sessions, isNumber: true },
                {
                  head: "Bounced",
                  value: (row) => row.bounce_rate,
                  show: (row) => share(row.bounce_rate),
                  isNumber: true,
                },
                {
                  head: "Median seconds",
                  value: (row) => row.median_seconds,
                  show: (row) => duration(row.median_seconds),
                  isNumber: true,
                },
              ]}
              empty="No session in this period."
            />
          </Panel>
          <Panel title="Length" isWide>
            <TimeChart
              label="Sessions by length"
              kind="bars"
              height={160}
              moments={report.lengths.map(lengthOf)}
              series={[{ name: "Sessions", values: report.lengths.map((one) => one.sessions) }]}
            />
            <Table
              caption="Sessions by length"
              isCaptionHidden
              rows={report.lengths}
              columns={[
                { head: "From seconds", value: (row) => row.from_seconds, isNumber: true },
                { head: "To seconds", value: (row) => row.to_seconds, isNumber: true },
                { head: "Sessions", value: (row) => row.sessions, hasBar: true },
              ]}
            />
          </Panel>
          <Panel title="Landing pages" note="Where sessions begin">
            <Table
              caption="Landing pages"
              isCaptionHidden
              rows={report.landing_pages}
              columns={[
                { head: "Page", value: (row) => row.page_path },
                { head: "Sessions", value: (row) => row.sessions, hasBar: true },
                {
                  head: "Bounced",
                  value: (row) => row.bounce_rate,
                  show: (row) => share(row.bounce_rate),
                  isNumber: true,
                },
              ]}
            />
          </Panel>
          <Panel title="Exit pages" note="Where they end">
            <Table
              caption="Exit pages"
              isCaptionHidden
              rows={report.exit_pages}
              columns={[
                { head: "Page", value: (row) => row.page_path },
                { head: "Sessions", value: (row) => row.sessions, hasBar: true },
              ]}
            />
          </Panel>
        </>
      )}
    </Report>
  );
}

function lengthOf({
  from_seconds: from,
  to_seconds: to,
}: {
  from_seconds: number;
  to_seconds: number | null;
}): string {
  return to === null ? `${duration(from)} +` : `${duration(from)} – ${duration(to)}`;
}
