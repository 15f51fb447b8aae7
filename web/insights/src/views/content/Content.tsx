import { FilterBar, TextFilter } from "../../address/FilterBar.tsx";
import { filtersOf, useAddress } from "../../address/address.ts";
import { answerOf } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { inWords } from "../../embed/words.ts";
import { duration, share } from "../../parts/format.ts";
import { Panel } from "../../parts/Panel.tsx";
import { Report } from "../../parts/Report.tsx";
import { Table } from "../../parts/Table.tsx";
import { useOperator } from "../../session/Gate.tsx";

/** How content does: who met it, how long, and from feeds. */
export default function Content() {
  const { api } = useOperator();
  const { said, change } = useAddress();
  const type = said.get("content_type");
  const query = { ...filtersOf(said), ...(type ? { content_type: type } : {}) };
  const content = useAnswer(JSON.stringify(query), (signal) =>
    answerOf(api.GET("/v1/analytics/content", { params: { query }, signal })),
  );
  const types = [...new Set(content.data?.items.map((item) => item.content_type))];
  const filters = (
    <FilterBar>
      <TextFilter
        label="Content type"
        value={type ?? ""}
        hint="all"
        choices={types}
        onChange={(chosen) => change({ content_type: chosen })}
      />
    </FilterBar>
  );
  return (
    <Report title="Content" answer={content} filters={filters}>
      {({ items }) => (
        <Panel
          title="What was met most"
          note="Engagement is the mean of an interaction, from 0 to 1; clicks are those in feeds."
          isWide
        >
          <Table
            caption="Content"
            isCaptionHidden
            most={25}
            rows={items}
            columns={[
              { head: "Title", value: (item) => item.title ?? item.content_id },
              {
                head: "Type",
                value: (item) => item.content_type,
                show: (item) => inWords(item.content_type),
              },
              { head: "Views", value: (item) => item.views, hasBar: true },
              { head: "Visitors", value: (item) => item.visitors, isNumber: true },
              { head: "Interactions", value: (item) => item.interactions, isNumber: true },
              {
                head: "Engagement",
                value: (item) => item.engagement,
                show: (item) => item.engagement.toFixed(2),
                isNumber: true,
              },
              {
                head: "Mean seconds",
                value: (item) => item.mean_seconds,
                show: (item) => duration(item.mean_seconds),
                isNumber: true,
              },
              { head: "Shown", value: (item) => item.shown, isNumber: true },
              { head: "Clicked", value: (item) => item.clicked, isNumber: true },
              {
                head: "Click-through",
                value: (item) => (item.shown ? item.clicked / item.shown : null),
                show: (item) => share(item.shown ? item.clicked / item.shown : null),
                isNumber: true,
              },
            ]}
            empty="Nobody met any content in this period. Interactions tell of it: a view, a click, a like."
          />
        </Panel>
      )}
    </Report>
  );
}
