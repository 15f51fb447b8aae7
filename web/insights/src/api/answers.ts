import type { components } from "./schema.ts";

export type Feed = components["schemas"]["Feed"];
export type FeedItem = Feed["items"][number];
export type Insights = components["schemas"]["Insights"];
export type Suggestion = components["schemas"]["Suggestion"];
export type SimilarUsers = components["schemas"]["SimilarUsers"];

/** Where the API is, and who asks it. */
export interface Connection {
  /** The API's address, as in `https://abc.execute-api.eu-west-1.amazonaws.com`; empty on its own pages. */
  endpoint: string;
  /** The user's token, asked for before each request. */
  getToken: () => string | Promise<string>;
}

/** What went wrong, in words for who looks at it. `status` is HTTP's, 0 where nothing answered. */
export class Failure extends Error {
  override readonly name = "Failure";

  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}
