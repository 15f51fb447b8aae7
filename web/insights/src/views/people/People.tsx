import { type FormEvent, useState } from "react";
import { Link } from "wouter";

import { useAddress } from "../../address/address.ts";
import { ownZone } from "../../address/days.ts";
import { answerOf } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { moment } from "../../parts/format.ts";
import { Head } from "../../parts/Head.tsx";
import { Panel, Shown } from "../../parts/Panel.tsx";
import { Table } from "../../parts/Table.tsx";
import { useOperator } from "../../session/Gate.tsx";

/** Finds people by their id, the id that a product sent, or a trait. */
export default function People() {
  const { said, change } = useAddress();
  const search = said.get("search") ?? "";
  const [draft, setDraft] = useState(search);
  function onSubmit(event: FormEvent): void {
    event.preventDefault();
    change({ search: draft.trim() });
  }
  return (
    <>
      <Head title="People" />
      <form className="search" role="search" onSubmit={onSubmit}>
        <input
          type="search"
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
          placeholder="An id, an email address, a name…"
          aria-label="Find a person"
          autoFocus={!search}
        />
        <button type="submit" className="primary">
          Find
        </button>
      </form>
      {search ? (
        <Found key={search} search={search} />
      ) : (
        <p className="empty">
          Look for somebody by the id that your product sends, by Footfall’s own, or by how a trait begins: an
          email address, a name. Or see <Link href="/people/me">what is known of yourself</Link>.
        </p>
      )}
    </>
  );
}

function Found({ search }: { search: string }) {
  const { api } = useOperator();
  const found = useAnswer(search, (signal) =>
    answerOf(api.GET("/v1/users", { params: { query: { search } }, signal })),
  );
  return (
    <Shown answer={found} what="people">
      {({ users }) => (
        <Panel title={`Found for “${search}”`} isWide>
          <Table
            caption="People"
            isCaptionHidden
            most={20}
            rows={users}
            columns={[
              {
                head: "User",
                value: (user) => user.user_id,
                show: (user) => (
                  <Link href={`/people/${encodeURIComponent(user.user_id)}`}>
                    {user.name ?? user.email ?? user.user_id}
                  </Link>
                ),
              },
              { head: "Email", value: (user) => user.email },
              {
                head: "First seen",
                value: (user) => user.first_seen,
                show: (user) => moment(user.first_seen, ownZone()),
              },
              {
                head: "Last seen",
                value: (user) => user.last_seen,
                show: (user) => moment(user.last_seen, ownZone()),
              },
              { head: "Activities", value: (user) => user.activities, isNumber: true },
            ]}
            empty="Nobody is found by that. Ids must be whole; names and addresses may be beginnings."
          />
        </Panel>
      )}
    </Shown>
  );
}
