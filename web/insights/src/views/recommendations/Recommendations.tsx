import { FilterBar } from "../../address/FilterBar.tsx";
import { filtersOf, useAddress } from "../../address/address.ts";
import { answerOf } from "../../api/client.ts";
import type { components } from "../../api/schema.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { inWords } from "../../embed/words.ts";
import { count, share } from "../../parts/format.ts";
import { Panel } from "../../parts/Panel.tsx";
import { Report } from "../../parts/Report.tsx";
import { Table } from "../../parts/Table.tsx";
import { useOperator } from "../../session/Gate.tsx";

type RecommendationsReport = components["schemas"]["Recommendations"];

/** What feeds bring, beside visitors whose feed isn't personal. */
export default function Recommendations() {
  const { api } = useOperator();
  const { from, to } = filtersOf(useAddress().said);
  const query = { from, to };
  const recommendations = useAnswer(JSON.stringify(query), (signal) =>
    answerOf(api.GET("/v1/analytics/recommendations", { params: { query }, signal })),
  );
  return (
    <Report title="Recommendations" answer={recommendations} filters={<FilterBar knows={[]} />}>
      {(report) => (
        <>
          <Panel title={VERDICTS[report.verdict]} note={report.message} isWide>
            {report.uplift && <Uplift uplift={report.uplift} confidence={report.confidence} />}
            {report.missing && <Missing missing={report.missing} />}
          </Panel>
          <Panel title="Served and clicked" isWide>
            <Table
              caption="Arms of the experiment"
              isCaptionHidden
              rows={Object.entries(report.arms)}
              columns={[
                { head: "Feed", value: ([arm]) => arm, show: ([arm]) => ARMS[arm] ?? arm },
                { head: "Visitors", value: ([, found]) => found.visitors, isNumber: true },
                { head: "Served", value: ([, found]) => found.impressions, isNumber: true },
                { head: "Clicked", value: ([, found]) => found.clicks, isNumber: true },
                {
                  head: "Click-through",
                  value: ([, found]) => found.click_through,
                  show: ([, found]) => share(found.click_through),
                  isNumber: true,
                },
                {
                  head: "Engagement a visitor",
                  value: ([, found]) => found.engagement_per_visitor,
                  show: ([, found]) => found.engagement_per_visitor?.toFixed(2) ?? "–",
                  isNumber: true,
                },
              ]}
              empty="No feed was asked for in this period. GET /v1/users/{user}/feed answers with one."
            />
          </Panel>
          <Panel
            title="Which strategy wins"
            note={
              report.best_strategy
                ? `${inWords(report.best_strategy)}: its interval lies above every other’s.`
                : report.strategies.length > 0 && "None yet: the intervals overlap, or are too thin to say."
            }
            isWide
          >
            <Table
              caption="Strategies"
              isCaptionHidden
              rows={report.strategies}
              columns={[
                { head: "Strategy", value: (one) => one.strategy, show: (one) => inWords(one.strategy) },
                { head: "Served", value: (one) => one.shown, isNumber: true },
                { head: "Clicked", value: (one) => one.clicked, isNumber: true },
                {
                  head: "Click-through",
                  value: (one) => one.click_through,
                  show: (one) => <Between value={one.click_through} interval={one.click_through_interval} />,
                  isNumber: true,
                },
                {
                  head: "Against what its places get",
                  value: (one) => one.against_expected,
                  show: (one) =>
                    one.against_expected === null ? "–" : `× ${one.against_expected.toFixed(2)}`,
                  isNumber: true,
                },
              ]}
              empty="No strategy has put anything into a feed in this period."
            />
          </Panel>
        </>
      )}
    </Report>
  );
}

const ARMS: Record<string, string> = { personal: "Personal", holdout: "Held out" };
const MEASURES: Record<string, string> = { click_through: "Click-through", engagement: "Engagement" };
const VERDICTS = {
  better: "Personal feeds do better",
  worse: "Personal feeds do worse",
  no_difference: "No difference is seen",
  too_thin: "Too little evidence yet",
  ratio_mismatch: "The comparison can’t be trusted",
  nothing_shown: "No feed was shown",
};

function Between({ value, interval }: { value: number; interval: readonly number[] | null }) {
  return (
    <>
      {share(value)}
      {interval && (
        <small>
          {share(interval[0] ?? null)} to {share(interval[1] ?? null)}
        </small>
      )}
    </>
  );
}

interface UpliftProps {
  uplift: NonNullable<RecommendationsReport["uplift"]>;
  confidence: number;
}

/** Each uplift as a dot in its interval, around the line where nothing is gained. */
function Uplift({ uplift, confidence }: UpliftProps) {
  const ends = Object.values(uplift).flatMap(({ interval }) => interval.map(Math.abs));
  const reach = Math.max(0.1, ...ends) * 1.1;
  const place = (value: number) => `${50 + (50 * value) / reach}%`;
  return (
    <ul className="uplift">
      {Object.entries(uplift).map(([measure, { value, interval }]) => {
        const [low = value, high = value] = interval;
        return (
          <li key={measure}>
            <span>{MEASURES[measure] ?? inWords(measure)}</span>
            <b>
              {value > 0 ? "+" : ""}
              {share(value)}
            </b>
            <div className="interval" aria-hidden="true">
              <i style={{ left: place(low), right: `calc(100% - ${place(high)})` }} />
              <s style={{ left: place(value) }} />
            </div>
            <small>
              {share(low)} to {share(high)}, at {share(confidence)}
            </small>
          </li>
        );
      })}
    </ul>
  );
}

function Missing({ missing }: { missing: NonNullable<RecommendationsReport["missing"]> }) {
  return (
    <ul>
      {Object.entries(missing).map(([arm, { visitors, clicking_visitors: clicking }]) => (
        <li key={arm}>
          {ARMS[arm] ?? arm}: {count(visitors)} more visitors are needed, {count(clicking)} more of them
          clicking.
        </li>
      ))}
    </ul>
  );
}
