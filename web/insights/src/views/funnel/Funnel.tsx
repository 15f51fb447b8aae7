import { type FormEvent, useState } from "react";

import { FilterBar } from "../../address/FilterBar.tsx";
import { type Change, filtersOf, useAddress } from "../../address/address.ts";
import { answerOf } from "../../api/client.ts";
import type { components } from "../../api/schema.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { count, duration, share } from "../../parts/format.ts";
import { Head } from "../../parts/Head.tsx";
import { Panel } from "../../parts/Panel.tsx";
import { Report } from "../../parts/Report.tsx";
import { Table } from "../../parts/Table.tsx";
import { useOperator } from "../../session/Gate.tsx";

type FunnelReport = components["schemas"]["FunnelReport"];

const LEAST = 2;
const MOST = 8;
const WITHIN = { 1: "1 hour", 24: "1 day", 168: "7 days", 720: "30 days" };

/** How many go from step to step. The steps stand in the address, as all that a link must show. */
export default function Funnel() {
  const { said, change } = useAddress();
  const steps = said.getAll("step").filter(Boolean);
  return steps.length >= LEAST ? (
    <Counted key={steps.join("\n")} steps={steps} />
  ) : (
    <>
      <Head title="Funnel" />
      <FilterBar />
      <div className="panels">
        <Panel title="Which steps?" note={HINT} isWide>
          <Steps steps={EXAMPLE} change={change} />
        </Panel>
      </div>
    </>
  );
}

function Counted({ steps }: { steps: string[] }) {
  const { api } = useOperator();
  const { said, change } = useAddress();
  const query = { ...filtersOf(said), step: steps, within_hours: Number(said.get("within_hours") ?? 168) };
  const funnel = useAnswer(JSON.stringify(query), (signal) =>
    answerOf(api.GET("/v1/analytics/funnel", { params: { query }, signal })),
  );
  return (
    <Report
      title="Funnel"
      answer={funnel}
      filters={
        <>
          <FilterBar>
            <label>
              <span>All within</span>
              <select
                value={query.within_hours}
                onChange={(event) => change({ within_hours: event.target.value })}
              >
                {Object.entries(WITHIN).map(([hours, text]) => (
                  <option key={hours} value={hours}>
                    {text}
                  </option>
                ))}
              </select>
            </label>
          </FilterBar>
          <details className="steps-of">
            <summary>Steps</summary>
            <p className="note">{HINT}</p>
            <Steps steps={steps} change={change} />
          </details>
        </>
      }
    >
      {(report) => <Bars report={report} />}
    </Report>
  );
}

function Bars({ report }: { report: FunnelReport }) {
  const first = report.steps[0]?.visitors ?? 0;
  return (
    <Panel
      title={`${count(report.steps.at(-1)?.visitors ?? 0)} of ${count(first)} visitors came all the way`}
      isWide
    >
      <ol className="funnel">
        {report.steps.map((step, index) => (
          <li key={index}>
            <div className="funnel-head">
              <b>{step.step}</b>
              <span>
                {count(step.visitors)} visitors
                {index > 0 && <> · {share(step.share_of_previous)} of the step before</>}
              </span>
            </div>
            <div className="funnel-bar">
              <i style={{ width: `${100 * (step.share_of_first ?? 0)}%` }} />
            </div>
            {step.median_seconds_from_previous !== null && (
              <p className="note">
                half of them within {duration(step.median_seconds_from_previous)} of the step before
              </p>
            )}
          </li>
        ))}
      </ol>
      <Table
        caption="Funnel"
        isCaptionHidden
        rows={report.steps}
        columns={[
          { head: "Step", value: (step) => step.step },
          { head: "Visitors", value: (step) => step.visitors, isNumber: true },
          {
            head: "Of first",
            value: (step) => step.share_of_first,
            show: (step) => share(step.share_of_first),
            isNumber: true,
          },
          {
            head: "Of previous",
            value: (step) => step.share_of_previous,
            show: (step) => share(step.share_of_previous),
            isNumber: true,
          },
          {
            head: "Median seconds from previous",
            value: (step) => step.median_seconds_from_previous,
            show: (step) => duration(step.median_seconds_from_previous),
            isNumber: true,
          },
        ]}
      />
    </Panel>
  );
}

/** A form of the steps; they count once it is sent. */
function Steps({ steps, change }: { steps: readonly string[]; change: Change }) {
  const [draft, setDraft] = useState(steps);
  const replace = (at: number, ...by: string[]) => setDraft(draft.toSpliced(at, 1, ...by));
  function onSubmit(event: FormEvent): void {
    event.preventDefault();
    change({ step: draft.map((step) => step.trim()).filter(Boolean) });
  }
  return (
    <form className="steps" onSubmit={onSubmit}>
      <ol>
        {draft.map((step, index) => (
          <li key={index}>
            <input
              value={step}
              required={index < LEAST}
              pattern={PATTERN}
              title="page:/path, action:name, type:event_type or content:type/interaction"
              aria-label={`Step ${index + 1}`}
              onChange={(event) => replace(index, event.target.value)}
            />
            {draft.length > LEAST && (
              <button type="button" className="plain" onClick={() => replace(index)}>
                Remove<span className="hidden"> step {index + 1}</span>
              </button>
            )}
          </li>
        ))}
      </ol>
      <p className="buttons">
        {draft.length < MOST && (
          <button type="button" onClick={() => setDraft([...draft, ""])}>
            Add a step
          </button>
        )}
        <button type="submit" className="primary">
          Count
        </button>
      </p>
    </form>
  );
}

const PATTERN = "\\s*(page:/.*|action:.+|type:.+|content:[^\\/]+\\/.+)";
const HINT =
  "A step is page:/path (a * at its end stands for anything), action:name, type:event_type or content:project/like. Steps count in this order, by one visitor.";
const EXAMPLE = ["type:page_view", "content:project/view", "content:project/like"];
