import { answerOf } from "../../api/client.ts";
import { useAnswer } from "../../api/use-answer.ts";
import { inWords, percent } from "../../embed/words.ts";
import { Panel, Shown } from "../../parts/Panel.tsx";
import { Table } from "../../parts/Table.tsx";
import { useOperator } from "../../session/Gate.tsx";

/** Every preference, said or learned, with what it rests on. */
export function Learned({ user }: { user: string }) {
  const { api } = useOperator();
  const params = { path: { user } };
  const found = useAnswer(user, (signal) =>
    answerOf(api.GET("/v1/users/{user}/preferences", { params, signal })),
  );
  return (
    <Panel title="Preferences in detail" note="Said by themselves, or learned" isWide>
      <Shown answer={found} what="preferences">
        {({ preferences }) => (
          <Table
            caption="Preferences"
            isCaptionHidden
            rows={preferences}
            columns={[
              { head: "Preference", value: ({ key }) => key },
              {
                head: "Value",
                value: ({ value }) => JSON.stringify(value),
                show: ({ value }) => inShort(value),
              },
              { head: "Source", value: ({ source }) => source, show: ({ source }) => inWords(source) },
              {
                head: "Sure",
                value: ({ confidence }) => confidence,
                show: ({ confidence }) => percent(confidence),
                hasBar: true,
              },
            ]}
            empty="None yet: they are learned within a minute of the first views and likes."
          />
        )}
      </Shown>
    </Panel>
  );
}

function inShort(value: unknown): string {
  if (typeof value === "object" && value && "score" in value) return percent(Number(value.score));
  if (typeof value === "object" && value && "hours" in value) return String(value.hours);
  return JSON.stringify(value);
}
