import { useId } from "react";

import type { Insights } from "../../api/answers.ts";
import { percent } from "../../embed/words.ts";
import { count } from "../../parts/format.ts";

/** `content_interaction:view_project` as people write it: view project. */
export function actionInWords(action: string): string {
  return (action.split(":").at(-1) ?? action).replaceAll("_", " ");
}

export function Journey({
  journey,
  basis,
}: {
  journey: Insights["journey"];
  basis: Insights["journey_basis"];
}) {
  const id = useId();
  if (!basis.enough) {
    return (
      <p className="empty">
        Not enough to say: predictions begin once somebody did something, and twenty visits of anybody were
        learned from (so far {count(basis.sessions)}).
      </p>
    );
  }
  return (
    <>
      <ol className="likely">
        {journey.map(({ action, probability }, index) => (
          <li key={action}>
            <span id={`${id}${index}`}>{actionInWords(action)}</span>
            <b>{percent(probability)}</b>
            <progress aria-labelledby={`${id}${index}`} value={probability} max={1} />
          </li>
        ))}
      </ol>
      <p className="note">
        {basis.after.length > 0
          ? `After ${basis.after.map(actionInWords).join(" → ")}, as`
          : "As the first thing of a next visit, as"}{" "}
        {count(basis.sessions)} visits went.
      </p>
    </>
  );
}
