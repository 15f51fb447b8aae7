import { type User, UserManager, WebStorageStateStore } from "oidc-client-ts";

import { Failure } from "../api/answers.ts";
import type { components } from "../api/schema.ts";

type Config = components["schemas"]["PageConfig"];

export const HOME = "/insights/";

/** Who looks at the page: signed in by the issuer, by authorization code with PKCE; gone when the tab is closed. */
export class Session {
  private constructor(
    private readonly manager: UserManager,
    private user: User | undefined,
  ) {}

  /** Also completes a sign-in from which the issuer has just sent the browser back. */
  static async open(): Promise<Session> {
    const config = await configuration();
    const manager = new UserManager({
      authority: config.issuer,
      client_id: config.client_id,
      redirect_uri: location.origin + HOME,
      scope: config.scope,
      userStore: new WebStorageStateStore({ store: sessionStorage }),
      ...(config.audience ? { extraQueryParams: { audience: config.audience } } : {}),
    });
    const said = new URLSearchParams(location.search);
    if (location.pathname === HOME && said.has("state") && (said.has("code") || said.has("error"))) {
      return new Session(manager, await completed(manager));
    }
    return new Session(manager, (await manager.getUser()) ?? undefined);
  }

  /** A name to show, or nothing where nobody is signed in. */
  get name(): string | undefined {
    if (!this.user || this.user.expired) return undefined;
    const { email, preferred_username: username, sub } = this.user.profile;
    return email ?? username ?? sub;
  }

  /** The browser goes to the issuer, and comes back to the address that it has now. */
  async signIn(): Promise<void> {
    try {
      await this.manager.signinRedirect({ state: location.href });
    } catch (error) {
      throw new Failure(`The issuer ${this.manager.settings.authority} can’t be asked: ${words(error)}`, 0);
    }
  }

  async signOut(): Promise<void> {
    this.user = undefined;
    await this.manager.removeUser();
  }

  /** A token that is good now: renewed where the issuer gave something to renew it with. */
  async token(): Promise<string> {
    if (this.user?.expired && this.user.refresh_token) {
      this.user = (await this.manager.signinSilent().catch(() => undefined)) ?? undefined;
    }
    if (!this.user || this.user.expired)
      throw new Failure("Your sign-in is over. Sign in again to go on.", 401);
    return this.user.access_token;
  }
}

async function configuration(): Promise<Config> {
  const answer = await fetch(`${HOME}config.json`).catch(() => undefined);
  if (!answer?.ok)
    throw new Failure("Footfall doesn’t say how to sign in. Is the stack running?", answer?.status ?? 0);
  const config = (await answer.json()) as Config;
  if (!config.client_id) {
    throw new Failure(
      "Nobody can sign in yet: this stack’s parameters InsightsUrl or InsightsClientId are empty.",
      0,
    );
  }
  return config;
}

async function completed(manager: UserManager): Promise<User> {
  const came = location.href;
  // Whatever comes of it, a code is good once: a reload must not send it again.
  history.replaceState(null, "", HOME);
  try {
    const user = await manager.signinRedirectCallback(came);
    if (typeof user.state === "string" && user.state.startsWith(location.origin + HOME)) {
      history.replaceState(null, "", user.state);
    }
    return user;
  } catch (error) {
    throw new Failure(`The sign-in was not completed: ${words(error)}`, 0);
  }
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
