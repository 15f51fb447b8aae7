import { useState } from "react";

import { answerOf } from "../../api/client.ts";
import { ownZone } from "../../address/days.ts";
import type { components } from "../../api/schema.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { inWords } from "../../embed/words.ts";
import { ago, count, day, duration, moment } from "../../parts/format.ts";
import { Head } from "../../parts/Head.tsx";
import { Figures, Panel, Shown } from "../../parts/Panel.tsx";
import { Table } from "../../parts/Table.tsx";
import { useOperator } from "../../session/Gate.tsx";
import { Replay } from "./Replay.tsx";
import { troublesOf } from "./troubles.ts";

export type Operations = components["schemas"]["Operations"];

const EVERY = 5000;

/** Whether events arrive, what was given up or refused, and how fresh everything is. */
export default function Health() {
  const { api } = useOperator();
  const [isReplaying, setIsReplaying] = useState(false);
  const ask = (signal: AbortSignal) => answerOf(api.GET("/v1/operations", { signal }));
  const operations = useAnswer("operations", ask, isReplaying ? undefined : EVERY);
  return (
    <>
      <Head title="Health" />
      <Shown answer={operations} what="health">
        {(found) => <Parts found={found} isReplaying={isReplaying} onReplaying={setIsReplaying} />}
      </Shown>
    </>
  );
}

interface PartsProps {
  found: Operations;
  isReplaying: boolean;
  onReplaying: (isReplaying: boolean) => void;
}

function Parts({ found, isReplaying, onReplaying }: PartsProps) {
  const now = Date.parse(found.now);
  const { queue, dead_letters: letters, quarantine, analyze, freshness, months } = found;
  const troubles = troublesOf(found);
  // What could not be asked is not nothing.
  const isUnknown = (part: string) => found.unavailable.includes(part);
  const known = (part: string, text: string) => (isUnknown(part) ? "unknown" : text);
  const none = (part: string, text: string) => (isUnknown(part) ? "Unknown: it could not be asked." : text);
  return (
    <div className="panels">
      <div className={troubles.length > 0 ? "verdict bad" : "verdict good"} role="status">
        {troubles.length === 0 ? (
          <p>
            <b>All is well.</b> Events arrive, nothing is lost, and what is shown is fresh.
          </p>
        ) : (
          <ul>
            {troubles.map((trouble) => (
              <li key={trouble}>{trouble}</li>
            ))}
          </ul>
        )}
      </div>
      <Panel title="The way of an event" isWide>
        <Figures
          figures={[
            ["Waiting in the queue", known("queue", count(queue.waiting))],
            ["In flight", known("queue", count(queue.in_flight))],
            ["Oldest waits", known("queue", duration(queue.oldest_seconds))],
            ["Last event stored", known("database", ago(freshness.last_event_at, now))],
            ["Live counts end", known("database", ago(freshness.last_live_count_at, now))],
            ["Months made until", known("database", months.made_until ? day(months.made_until) : "–")],
          ]}
        />
      </Panel>
      <Panel
        title={`Dead letters: ${known("dead_letters", count(letters.waiting))}`}
        note="Messages that could not be written a hundred times. They are kept for fourteen days."
        isWide
      >
        <Table
          caption="Dead letters"
          isCaptionHidden
          rows={letters.messages}
          columns={[
            { head: "Sent", value: (one) => one.sent_at, show: (one) => moment(one.sent_at, ownZone()) },
            {
              head: "Events",
              value: (one) => one.events,
              show: (one) => one.events ?? "unreadable",
              isNumber: true,
            },
            { head: "Begins", value: (one) => one.body_start, show: (one) => <code>{one.body_start}</code> },
          ]}
          empty={none("dead_letters", "None: nothing was given up.")}
        />
        <Replay
          what="dead_letters"
          waiting={letters.waiting}
          isRunning={isReplaying}
          onRunning={onReplaying}
        />
      </Panel>
      <Panel
        title={`Quarantine: ${known("database", count(quarantine.waiting))}`}
        note="Events that were refused, with the reason. Once that is mended they can be stored, each once."
        isWide
      >
        <Table
          caption="Reasons of quarantine"
          isCaptionHidden
          rows={quarantine.reasons}
          columns={[
            { head: "Reason", value: (one) => one.reason },
            { head: "Events", value: (one) => one.events, hasBar: true },
          ]}
          empty={none("database", "None: every event was understood.")}
        />
        {quarantine.latest.length > 0 && (
          <Table
            caption="The latest refused"
            rows={quarantine.latest}
            columns={[
              {
                head: "Received",
                value: (one) => one.received_at,
                show: (one) => moment(one.received_at, ownZone()),
              },
              { head: "Refused by", value: (one) => one.stage },
              { head: "Reason", value: (one) => one.reason },
              { head: "Begins", value: (one) => one.event, show: (one) => <code>{one.event}</code> },
            ]}
          />
        )}
        <Replay
          what="quarantine"
          waiting={quarantine.waiting}
          isRunning={isReplaying}
          onRunning={onReplaying}
        />
      </Panel>
      <Panel
        title="Learning"
        note={known("database", `Last finished ${ago(analyze.last_run_at, now)}`)}
        isWide
      >
        <Table
          caption="Tasks of learning"
          isCaptionHidden
          rows={analyze.tasks}
          columns={[
            { head: "Task", value: (one) => one.task, show: (one) => inWords(one.task) },
            { head: "Started", value: (one) => one.started_at, show: (one) => ago(one.started_at, now) },
            { head: "Finished", value: (one) => one.finished_at, show: (one) => ago(one.finished_at, now) },
            {
              head: "Lag seconds",
              value: (one) => one.lag_seconds,
              show: (one) => duration(one.lag_seconds),
              isNumber: true,
            },
          ]}
          empty={none("database", "Learning hasn’t run yet; its first run comes within a minute.")}
        />
      </Panel>
    </div>
  );
}
