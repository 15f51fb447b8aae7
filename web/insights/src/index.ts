export type { Connection, Feed, FeedItem, Insights, Suggestion } from "./api/answers.ts";
export { Failure } from "./api/answers.ts";
export type { Answer } from "./api/use-answer.ts";
export { type Asking, useFeed, useInsights, useNextAction } from "./embed/hooks.ts";
export { UserInsights, type UserInsightsProps } from "./embed/UserInsights.tsx";
