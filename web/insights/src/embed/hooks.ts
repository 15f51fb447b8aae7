import { useMemo, useRef, useEffect } from "react";

import type { Connection, Feed, Insights, Suggestion } from "../api/answers.ts";
import { answerOf, type Api, createApi } from "../api/client.ts";
import { type Answer, useAnswer } from "../api/use-answer.ts";

export interface Asking extends Connection {
  /** An id as it was sent, or `me`, whose token it is. Others than oneself need the scope `footfall:read`. */
  userId: string;
  /** Milliseconds after which it is asked again, while the page is looked at; once, unless said. */
  every?: number | undefined;
}

/** Stage, suggestion, preferences, intent, active hours and what probably comes next. */
export function useInsights(asking: Asking): Answer<Insights> {
  const api = useApi(asking);
  const path = { user: asking.userId };
  const ask = (signal: AbortSignal) =>
    answerOf(api.GET("/v1/users/{user}/insights", { params: { path }, signal }));
  return useAnswer(keyOf(asking), ask, asking.every);
}

/** The one thing to suggest now. */
export function useNextAction(asking: Asking): Answer<Suggestion> {
  const api = useApi(asking);
  const path = { user: asking.userId };
  const ask = (signal: AbortSignal) =>
    answerOf(api.GET("/v1/users/{user}/next-action", { params: { path }, signal }));
  return useAnswer(keyOf(asking), ask, asking.every);
}

export interface FeedOptions {
  /** How many items, 20 unless said, at most 100. */
  limit?: number;
  /** Of this type alone. */
  contentType?: string;
}

/** What to show the user; send its `feed_id` and an item's position with what is clicked. */
export function useFeed(asking: Asking, { limit = 20, contentType }: FeedOptions = {}): Answer<Feed> {
  const api = useApi(asking);
  const path = { user: asking.userId };
  const query = { limit, ...(contentType ? { content_type: contentType } : {}) };
  const ask = (signal: AbortSignal) =>
    answerOf(api.GET("/v1/users/{user}/feed", { params: { path, query }, signal }));
  return useAnswer(`${keyOf(asking)} ${limit} ${contentType ?? ""}`, ask, asking.every);
}

function keyOf({ endpoint, userId }: Asking): string {
  return `${endpoint} ${userId}`;
}

/** One client for each endpoint, whatever new function a render gives as `getToken`. */
function useApi({ endpoint, getToken }: Connection): Api {
  const latest = useRef(getToken);
  useEffect(() => {
    latest.current = getToken;
  });
  return useMemo(() => createApi({ endpoint, getToken: () => latest.current() }), [endpoint]);
}
