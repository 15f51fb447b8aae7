import { Link } from "wouter";

import { ownZone } from "../../address/days.ts";
import { answerOf } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { useInsights } from "../../embed/hooks.ts";
import { UserInsights } from "../../embed/UserInsights.tsx";
import { moment } from "../../parts/format.ts";
import { Head } from "../../parts/Head.tsx";
import { Panel, Shown } from "../../parts/Panel.tsx";
import { useOperator } from "../../session/Gate.tsx";
import { ActiveHours } from "./ActiveHours.tsx";
import { FeedNow } from "./FeedNow.tsx";
import { Journey } from "./Journey.tsx";
import { Learned } from "./Learned.tsx";
import { SimilarUsers } from "./SimilarUsers.tsx";
import { Timeline } from "./Timeline.tsx";

const EVERY = 5000;

/** All that is known of one user; `me` is who looks. */
export default function Person({ user }: { user: string }) {
  const { connection } = useOperator();
  const insights = useInsights({ ...connection, userId: user, every: EVERY });
  return (
    <>
      <PersonHead user={user} />
      <UserInsights {...connection} userId={user} every={EVERY} />
      <div className="panels">
        <div className="column">
          <Panel title="Active hours">
            <Shown answer={insights} what="active hours">
              {(data) => <ActiveHours hours={data.active_hours} zone={data.time_zone} />}
            </Shown>
          </Panel>
          <Panel title="Probably next">
            <Shown answer={insights} what="prediction">
              {(data) => <Journey journey={data.journey} basis={data.journey_basis} />}
            </Shown>
          </Panel>
        </div>
        <SimilarUsers user={user} />
        <FeedNow user={user} />
        <Timeline user={user} zone={insights.data?.time_zone ?? ownZone()} />
        <Learned user={user} />
      </div>
    </>
  );
}

function PersonHead({ user }: { user: string }) {
  const { api, name } = useOperator();
  const isSelf = user === "me";
  // Only a name is lacking where this fails.
  const found = useAnswer(user, (signal) =>
    isSelf
      ? Promise.resolve({ users: [] })
      : answerOf(api.GET("/v1/users", { params: { query: { search: user } }, signal })),
  );
  const person = found.data?.users.find((one) => one.user_id === user);
  return (
    <Head
      title={isSelf ? `You (${name})` : (person?.name ?? person?.email ?? user)}
      before={
        <p className="crumbs">
          <Link href="/people">People</Link>
        </p>
      }
    >
      <p className="note">
        <code>{user}</code>
        {person?.email && person.name && <> · {person.email}</>}
        {person && (
          <>
            {" "}
            · first seen {moment(person.first_seen, ownZone())} · last {moment(person.last_seen, ownZone())} ·{" "}
            {person.activities} activities
          </>
        )}
      </p>
    </Head>
  );
}
