import { lazy, Suspense } from "react";

import { ownZone } from "../../address/days.ts";
import type { components } from "../../api/schema.ts";
import { answerOf } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { inWords } from "../../embed/words.ts";
import { clock, count, country } from "../../parts/format.ts";
import { Head } from "../../parts/Head.tsx";
import { Figures, Panel, Shown } from "../../parts/Panel.tsx";
import { Table } from "../../parts/Table.tsx";
import { useOperator } from "../../session/Gate.tsx";

type LiveAnswer = components["schemas"]["Live"];

// A click is stored within two seconds, and shall show within three.
const EVERY = 1000;
const TimeChart = lazy(() =>
  import("../../parts/TimeChart.tsx").then(({ TimeChart }) => ({ default: TimeChart })),
);

/** What happens now; asked anew every second while the page is looked at. */
export function Live() {
  const { api } = useOperator();
  const live = useAnswer("live", (signal) => answerOf(api.GET("/v1/analytics/live", { signal })), EVERY);
  return (
    <>
      <Head title="Live">
        {live.data && (
          <p className={live.error ? "pulse stopped" : "pulse"}>
            as of {clock(live.data.now, ownZone(), true)}
          </p>
        )}
      </Head>
      <Shown answer={live} what="live counts">
        {(data) => <Counts live={data} />}
      </Shown>
    </>
  );
}

function Counts({ live }: { live: LiveAnswer }) {
  const counts = live.minutes.map(({ events }) => events);
  const total = counts.reduce((sum, events) => sum + events, 0);
  return (
    <div className="panels">
      <Panel title="Now" note={total === 0 ? QUIET : undefined} isWide>
        <Figures
          figures={[
            ["Active visitors", count(live.active_visitors), "in the last 5 minutes"],
            ["Events", count(total), "in the last 30 minutes"],
            ["Events this minute", count(counts.at(-1) ?? 0)],
          ]}
        />
      </Panel>
      <Panel title="Events a minute" isWide>
        <Suspense fallback={<p className="waiting">Loading…</p>}>
          <TimeChart
            label="Events a minute, of the last thirty"
            kind="bars"
            moments={live.minutes.map(({ minute }) => clock(minute, ownZone()))}
            series={[{ name: "Events", values: counts }]}
          />
        </Suspense>
      </Panel>
      <Panel title="Pages" note="Where active visitors are">
        <Table
          caption="Live pages"
          isCaptionHidden
          rows={live.pages}
          columns={[
            { head: "Page", value: (row) => row.page_path },
            { head: "Visitors", value: (row) => row.visitors, hasBar: true },
          ]}
          empty="Nobody is here now."
        />
      </Panel>
      <Panel title="Content" note="Met in the last 30 minutes">
        <Table
          caption="Live content"
          isCaptionHidden
          most={6}
          rows={live.content}
          columns={[
            { head: "Title", value: (row) => row.title ?? row.content_id },
            { head: "Type", value: (row) => row.content_type, show: (row) => inWords(row.content_type) },
            { head: "Events", value: (row) => row.events, hasBar: true },
          ]}
          empty="Nobody met any content in the last 30 minutes."
        />
      </Panel>
      <Panel title="Countries" note="Of active visitors">
        <Table
          caption="Live countries"
          isCaptionHidden
          rows={live.countries}
          columns={[
            {
              head: "Country",
              value: (row) => row.country ?? "unknown",
              show: (row) => country(row.country),
            },
            { head: "Visitors", value: (row) => row.visitors, hasBar: true },
          ]}
          empty="Nobody is here now."
        />
      </Panel>
      <Panel title="Devices" note="Of active visitors">
        <Table
          caption="Live devices"
          isCaptionHidden
          rows={live.devices}
          columns={[
            {
              head: "Device",
              value: (row) => row.device ?? "unknown",
              show: (row) => inWords(row.device ?? "unknown"),
            },
            { head: "Visitors", value: (row) => row.visitors, hasBar: true },
          ]}
          empty="Nobody is here now."
        />
      </Panel>
    </div>
  );
}

const QUIET =
  "Quiet: nothing came in the last 30 minutes. Open a page that has the tracker, and it shows here within seconds.";
