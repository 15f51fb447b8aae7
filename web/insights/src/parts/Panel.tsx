import { type ReactNode, useId } from "react";

import type { Answer } from "../api/use-answer.ts";

interface Props {
  title: string;
  /** A sentence of what it tells. */
  note?: ReactNode;
  isWide?: boolean;
  children: ReactNode;
}

export function Panel({ title, note, isWide, children }: Props) {
  const id = useId();
  return (
    <section className={isWide ? "panel wide" : "panel"} aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {note && <p className="note">{note}</p>}
      {children}
    </section>
  );
}

interface ShownProps<T> {
  answer: Answer<T>;
  /** What it is that is loaded, or fails: "the funnel". */
  what: string;
  children: (data: T) => ReactNode;
}

/** An answer once it is there; until then that it is awaited, or why there is none. */
export function Shown<T>({ answer, what, children }: ShownProps<T>) {
  const { data, error, isLoading, retry } = answer;
  return (
    <>
      {error && (
        <div className="failure" role="alert">
          <p>
            <b>{data === undefined ? `No ${what}.` : `This is older than it should be.`}</b> {error.message}
          </p>
          {error.message.includes("footfall:") && (
            <p>
              Your sign-in lets you see yourself alone. Ask whoever runs this stack for the scope that is
              named here.
            </p>
          )}
          <button type="button" onClick={retry}>
            Try again
          </button>
        </div>
      )}
      {data !== undefined ? (
        <div className="shown" aria-busy={isLoading}>
          {children(data)}
        </div>
      ) : (
        !error && (
          <p className="waiting" role="status">
            Loading {what}…
          </p>
        )
      )}
    </>
  );
}

/** Numbers that stand alone. */
export function Figures({
  figures,
}: {
  figures: readonly (readonly [name: string, value: ReactNode, note?: ReactNode])[];
}) {
  return (
    <dl className="figures">
      {figures.map(([name, value, note]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {value}
            {note && <small>{note}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
