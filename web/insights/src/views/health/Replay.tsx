import { useRef, useState } from "react";

import { Failure } from "../../api/answers.ts";
import { answerOf } from "../../api/client.ts";
import { count } from "../../parts/format.ts";
import { useOperator } from "../../session/Gate.tsx";

interface Props {
  what: "dead_letters" | "quarantine";
  waiting: number;
  isRunning: boolean;
  /** Nothing else may look at the messages while it runs. */
  onRunning: (isRunning: boolean) => void;
}

const WORDS = {
  dead_letters: {
    verb: "Send back",
    things: "messages",
    ask: "They go to the queue again, and each event in them still counts once.",
  },
  quarantine: {
    verb: "Store again",
    things: "events",
    ask: "Each is validated as if it came now; what is still refused stays, with its reason.",
  },
};

/** Asks before it replays, step by step until nothing is left that can be. */
export function Replay({ what, waiting, isRunning, onRunning }: Props) {
  const { api } = useOperator();
  const dialog = useRef<HTMLDialogElement>(null);
  const [progress, setProgress] = useState<string>();
  const { verb, things, ask } = WORDS[what];

  async function run(): Promise<void> {
    setProgress("Beginning…");
    onRunning(true);
    let replayed = 0;
    let stayed = 0;
    let after: string | null = null;
    try {
      for (let isFinished = false; !isFinished;) {
        const body: { replay: Props["what"]; after: string | null } = { replay: what, after };
        const step = await answerOf(api.POST("/v1/operations/replay", { body }));
        replayed += step.replayed;
        stayed += Object.values(step.stayed).reduce((sum, events) => sum + events, 0);
        after = step.after;
        isFinished = step.finished;
        const rest = isFinished ? "." : `, ${count(step.left)} to go…`;
        setProgress(`${count(replayed)} replayed, ${count(stayed)} stayed${rest}`);
      }
    } catch (error) {
      const reason = error instanceof Failure ? error.message : String(error);
      setProgress(`Stopped after ${count(replayed)}: ${reason}`);
    }
    onRunning(false);
  }

  return (
    <div className="replay">
      {waiting > 0 && (
        <button type="button" disabled={isRunning} onClick={() => dialog.current?.showModal()}>
          {verb}…
        </button>
      )}
      <p role="status">{progress}</p>
      <dialog ref={dialog} aria-label={`${verb}?`}>
        <h3>
          {verb} {count(waiting)} {things}?
        </h3>
        <p>{ask}</p>
        <form method="dialog" className="buttons">
          <button type="submit">Cancel</button>
          <button type="submit" className="primary" onClick={() => void run()}>
            {verb}
          </button>
        </form>
      </dialog>
    </div>
  );
}
