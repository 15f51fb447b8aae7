import createClient, { type Client } from "openapi-fetch";

import { type Connection, Failure } from "./answers.ts";
import type { paths } from "./schema.ts";

export type Api = Client<paths>;

/** The API, typed as its contract says. */
export function createApi({ endpoint, getToken }: Connection): Api {
  const api = createClient<paths>({ baseUrl: endpoint.replace(/\/+$/, "") });
  api.use({
    async onRequest({ request }) {
      request.headers.set("authorization", `Bearer ${await getToken()}`);
      return request;
    },
  });
  return api;
}

interface Asked<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer itself; throws a `Failure` where it isn't 2xx, or there is none. */
export async function answerOf<T>(asked: Promise<Asked<T>>): Promise<T> {
  let found: Asked<T>;
  try {
    found = await asked;
  } catch (error) {
    if (error instanceof Failure || (error instanceof DOMException && error.name === "AbortError"))
      throw error;
    throw new Failure("Footfall doesn’t answer. Is the network there, and the stack running?", 0);
  }
  if (found.data === undefined || !found.response.ok) {
    throw new Failure(wordsOf(found.error, found.response.status), found.response.status);
  }
  return found.data;
}

function wordsOf(error: unknown, status: number): string {
  const { code, message } = { code: "", message: "", ...(typeof error === "object" ? error : {}) };
  if (status === 429) return "Too many requests at once; it goes on in a moment.";
  // The gateway's own, which gives no reason: nobody is known by that token any more.
  if (status === 401 || (status === 403 && !code))
    return "Your sign-in isn’t believed any more. Sign out, and in again.";
  return message || `Footfall answered ${status}, without a reason.`;
}
