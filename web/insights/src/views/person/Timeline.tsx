import { useId, useState } from "react";

import { useAddress } from "../../address/address.ts";
import { Failure } from "../../api/answers.ts";
import { answerOf } from "../../api/client.ts";
import type { components } from "../../api/schema.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { clock, country, duration, moment, several } from "../../parts/format.ts";
import { Panel, Shown } from "../../parts/Panel.tsx";
import { Table } from "../../parts/Table.tsx";
import { useOperator } from "../../session/Gate.tsx";
import { actionInWords } from "./Journey.tsx";

type Session = components["schemas"]["Timeline"]["sessions"][number];
type Event = components["schemas"]["TimelineEvent"];

const EVERY = 1000;

/** Sessions, the latest first; an open one shows its events. What is new comes by itself. */
export function Timeline({ user, zone }: { user: string; zone: string }) {
  const { api } = useOperator();
  const { said, change } = useAddress();
  const [older, setOlder] = useState<Older>({ sessions: [] });
  const path = { user };
  const ask = (cursor: string | undefined, signal: AbortSignal | null) => {
    const query = { limit: 10, ...(cursor ? { cursor } : {}) };
    return answerOf(api.GET("/v1/users/{user}/timeline", { params: { path, query }, signal }));
  };
  const latest = useAnswer(user, (signal) => ask(undefined, signal), EVERY);
  const open = said.get("session");

  async function goOn(cursor: string): Promise<void> {
    try {
      const { sessions, cursor: next } = await ask(cursor, null);
      setOlder((before) => ({ sessions: [...before.sessions, ...sessions], cursor: next }));
    } catch (error) {
      setOlder((before) => ({
        ...before,
        failure: error instanceof Failure ? error.message : String(error),
      }));
    }
  }

  return (
    <Panel title="Timeline" note={`Sessions, the latest first, in ${zone}`} isWide>
      <Shown answer={latest} what="timeline">
        {({ sessions, cursor: first }) => {
          const cursor = older.cursor === undefined ? first : older.cursor;
          const known = new Set(sessions.map(keyOf));
          const all = [...sessions, ...older.sessions.filter((session) => !known.has(keyOf(session)))];
          return (
            <>
              {all.length === 0 && <p className="empty">No visit is stored of this user. Is the id whole?</p>}
              <ol className="timeline">
                {all.map((session) => (
                  <SessionRow
                    key={keyOf(session)}
                    session={session}
                    zone={zone}
                    isOpen={open === session.session_id}
                    onToggle={() =>
                      change({ session: open === session.session_id ? undefined : session.session_id })
                    }
                  />
                ))}
              </ol>
              {older.failure && <p role="alert">{older.failure}</p>}
              {cursor && (
                <button type="button" onClick={() => void goOn(cursor)}>
                  Earlier sessions
                </button>
              )}
            </>
          );
        }}
      </Shown>
    </Panel>
  );
}

/** `cursor`: undefined where none was asked for yet, null at the end. */
interface Older {
  sessions: Session[];
  cursor?: string | null;
  failure?: string;
}

function keyOf({ session_id: id, started_at: at }: Session): string {
  return `${id} ${at}`;
}

interface RowProps {
  session: Session;
  zone: string;
  isOpen: boolean;
  onToggle: () => void;
}

function SessionRow({ session, zone, isOpen, onToggle }: RowProps) {
  const id = useId();
  const seconds = (Date.parse(session.ended_at) - Date.parse(session.started_at)) / 1000;
  const where = [session.city, session.country && country(session.country)].filter(Boolean).join(", ");
  const what = [session.browser, session.os, session.device].filter(Boolean).join(", ");
  return (
    <li>
      <button type="button" className="session" aria-expanded={isOpen} aria-controls={id} onClick={onToggle}>
        <b>{moment(session.started_at, zone)}</b>
        <span>{duration(seconds)}</span>
        <span>
          {several(session.page_views, "page view")}, {several(session.actions_count, "action")}
          {session.bounce && " · bounced"}
        </span>
        <span className="note">
          {session.landing_page ?? "no page"}
          {session.exit_page && session.exit_page !== session.landing_page && ` → ${session.exit_page}`}
        </span>
        <span className="note">{[what, where].filter(Boolean).join(" · ")}</span>
      </button>
      <div id={id} hidden={!isOpen}>
        {isOpen && <Events events={session.events} zone={zone} />}
      </div>
    </li>
  );
}

function Events({ events, zone }: { events: readonly Event[]; zone: string }) {
  return (
    <Table
      caption="Events of the session"
      isCaptionHidden
      most={20}
      rows={events}
      columns={[
        {
          head: "Time",
          value: (event) => event.created_at,
          show: (event) => clock(event.created_at, zone, true),
        },
        {
          head: "Type",
          value: (event) => event.event_type,
          show: (event) => actionInWords(event.event_type),
        },
        {
          head: "Action",
          value: (event) => event.event_action,
          show: (event) => event.event_action && actionInWords(event.event_action),
        },
        { head: "Content", value: (event) => event.title ?? event.content_id },
        { head: "Page", value: (event) => event.page_path },
      ]}
    />
  );
}
