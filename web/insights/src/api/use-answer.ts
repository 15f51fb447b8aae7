import { useCallback, useEffect, useRef, useState } from "react";

import { Failure } from "./answers.ts";

export interface Answer<T> {
  /** The last one that came, also while a newer one is awaited or has failed. */
  data: T | undefined;
  error: Failure | undefined;
  /** Whether what was asked last hasn't been answered; not while an answer is only being renewed. */
  isLoading: boolean;
  retry: () => void;
}

const LONGEST_PAUSE = 60_000;

/**
 * Asks whenever `key` changes, and again `every` so many milliseconds while the page is looked at; after errors in
 * ever longer intervals. An answer that comes too late is dropped.
 */
export function useAnswer<T>(
  key: string,
  ask: (signal: AbortSignal) => Promise<T>,
  every?: number,
): Answer<T> {
  const [answer, setAnswer] = useState<Omit<Answer<T>, "retry">>(UNASKED);
  const [attempt, setAttempt] = useState(0);
  const latest = useRef(ask);
  useEffect(() => {
    latest.current = ask;
  });

  useEffect(() => {
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    let isAsking = false;

    async function run(): Promise<void> {
      clearTimeout(timer);
      isAsking = true;
      try {
        const data = await latest.current(controller.signal);
        failures = 0;
        if (!controller.signal.aborted) setAnswer({ data, error: undefined, isLoading: false });
      } catch (error) {
        failures += 1;
        if (!controller.signal.aborted) {
          setAnswer(({ data }) => ({ data, error: asFailure(error), isLoading: false }));
        }
      }
      isAsking = false;
      if (every && !controller.signal.aborted && !document.hidden) {
        timer = setTimeout(() => void run(), Math.min(every * 2 ** failures, LONGEST_PAUSE));
      }
    }

    function onVisibility(): void {
      clearTimeout(timer);
      if (every && !document.hidden && !isAsking) void run();
    }

    setAnswer(({ data, error }) => ({ data, error, isLoading: true }));
    void run();
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      controller.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisibility);
    };
  }, [key, every, attempt]);

  return { ...answer, retry: useCallback(() => setAttempt((before) => before + 1), []) };
}

const UNASKED = { data: undefined, error: undefined, isLoading: true };

function asFailure(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure(String(error), 0);
}
