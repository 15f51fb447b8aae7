import { answerOf } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { inWords } from "../../embed/words.ts";
import { Panel, Shown } from "../../parts/Panel.tsx";
import { Table } from "../../parts/Table.tsx";
import { useOperator } from "../../session/Gate.tsx";

// An operator's look is no impression.
const QUERY = { limit: 10, preview: true };

export function FeedNow({ user }: { user: string }) {
  const { api } = useOperator();
  const params = { path: { user }, query: QUERY };
  const feed = useAnswer(user, (signal) => answerOf(api.GET("/v1/users/{user}/feed", { params, signal })));
  return (
    <Panel title="The feed they would see now" note={feed.data?.reasoning} isWide>
      <Shown answer={feed} what="feed">
        {({ items }) => (
          <Table
            caption="Feed"
            isCaptionHidden
            rows={items}
            columns={[
              { head: "Title", value: (item) => item.title ?? item.content_id },
              {
                head: "Type",
                value: (item) => item.content_type,
                show: (item) => inWords(item.content_type),
              },
              { head: "Reason", value: (item) => item.reason },
              { head: "Strategy", value: (item) => item.strategy, show: (item) => inWords(item.strategy) },
              {
                head: "Score",
                value: (item) => item.score,
                show: (item) => item.score.toFixed(2),
                isNumber: true,
              },
            ]}
            empty="There is nothing to show them: they met all content of the last 90 days, or there is none. Send a content event for each thing that feeds may show."
          />
        )}
      </Shown>
      {feed.data && (
        <button type="button" className="plain" onClick={feed.retry}>
          Ask again
        </button>
      )}
    </Panel>
  );
}
