import { Link } from "wouter";

import { answerOf } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { percent } from "../../embed/words.ts";
import { Panel, Shown } from "../../parts/Panel.tsx";
import { Table } from "../../parts/Table.tsx";
import { useOperator } from "../../session/Gate.tsx";

export function SimilarUsers({ user }: { user: string }) {
  const { api } = useOperator();
  const params = { path: { user }, query: { limit: 8 } };
  const similar = useAnswer(user, (signal) =>
    answerOf(api.GET("/v1/users/{user}/similar-users", { params, signal })),
  );
  return (
    <Panel title="Similar users" note="Who likes the same content">
      <Shown answer={similar} what="similar users">
        {({ users }) => (
          <Table
            caption="Similar users"
            isCaptionHidden
            rows={users}
            columns={[
              {
                head: "User",
                value: (one) => one.user_id,
                show: (one) => <Link href={`/people/${encodeURIComponent(one.user_id)}`}>{one.user_id}</Link>,
              },
              {
                head: "Alike",
                value: (one) => one.similarity_score,
                show: (one) => percent(one.similarity_score),
                hasBar: true,
              },
            ]}
            empty="Nobody yet: it takes others who liked or viewed the same content."
          />
        )}
      </Shown>
    </Panel>
  );
}
