import "./user-insights.css";

import { useId } from "react";

import type { Insights, Suggestion } from "../api/answers.ts";
import { type Asking, useInsights } from "./hooks.ts";
import { inWords, percent } from "./words.ts";

export interface UserInsightsProps extends Asking {
  /** What the call to action does; without it the card only says what it would be. */
  onAction?: (suggestion: Suggestion) => void;
}

/** Three cards of one user: journey stage with its suggestion, content preferences, current intent. */
export function UserInsights({ onAction, ...asking }: UserInsightsProps) {
  const { data, error, isLoading, retry } = useInsights(asking);
  if (error && !data) {
    return (
      <div className="footfall-insights" role="alert">
        <section className="footfall-card">
          <h3>Insights can’t be shown</h3>
          <p>{error.message}</p>
          <button type="button" onClick={retry}>
            Try again
          </button>
        </section>
      </div>
    );
  }
  if (!data) {
    return (
      <div className="footfall-insights" role="status" aria-busy="true">
        <span className="footfall-hidden">Loading insights…</span>
        {["Stage", "Preferences", "Intent"].map((card) => (
          <section key={card} className="footfall-card footfall-waiting" aria-hidden="true" />
        ))}
      </div>
    );
  }
  return (
    <div className="footfall-insights" aria-busy={isLoading}>
      <Stage stage={data.stage} suggestion={data.suggestion} onAction={onAction} />
      <Preferences preferences={data.preferences} />
      <Intent intent={data.intent} />
    </div>
  );
}

interface StageProps {
  stage: string;
  suggestion: Suggestion;
  onAction: UserInsightsProps["onAction"] | undefined;
}

function Stage({ stage, suggestion, onAction }: StageProps) {
  return (
    <section className="footfall-card">
      <h3>User journey stage</h3>
      <p>
        <span className="footfall-badge">{inWords(stage)}</span>
      </p>
      <p>{suggestion.message}</p>
      {onAction ? (
        <button type="button" className="footfall-primary" onClick={() => onAction(suggestion)}>
          {suggestion.cta}
        </button>
      ) : (
        <p className="footfall-note">
          Call to action: “{suggestion.cta}”, {suggestion.priority} priority
        </p>
      )}
    </section>
  );
}

function Preferences({ preferences }: Pick<Insights, "preferences">) {
  const id = useId();
  return (
    <section className="footfall-card">
      <h3>Content preferences</h3>
      {preferences.length === 0 && (
        <p className="footfall-note">None yet: they come with the first likes and views.</p>
      )}
      <ul>
        {preferences.map(({ type, score, confidence, source }, index) => (
          <li key={type}>
            <span>
              <span id={`${id}${index}`}>{inWords(type)}</span>{" "}
              <span className="footfall-note">
                {SOURCES[source]}, {percent(confidence)} sure
              </span>
            </span>
            <b>{percent(score)}</b>
            <progress aria-labelledby={`${id}${index}`} value={score} max={1} />
          </li>
        ))}
      </ul>
    </section>
  );
}

const SOURCES = { explicit: "said so", inferred: "from behaviour", ml_predicted: "from people alike" };

function Intent({ intent }: Pick<Insights, "intent">) {
  return (
    <section className="footfall-card">
      <h3>Current intent</h3>
      <p className="footfall-large">{inWords(intent)}</p>
      <p className="footfall-note">Based on recent activity patterns</p>
    </section>
  );
}
