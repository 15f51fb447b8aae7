// Who visits. Anonymous until signed in: then the tracker is given the token that your login would issue.

export const KEPT = "wayside-visitor";

export const visitor = { id: null, name: null, token: null };

/** Whoever was signed in when the page was left. */
export async function restore() {
  const kept = JSON.parse(localStorage.getItem(KEPT));
  if (kept) Object.assign(visitor, kept, { token: await issue(kept.id) });
}

export async function signIn(id, name, traits) {
  if (visitor.id) signOut();
  Object.assign(visitor, { id, name, token: await issue(id) });
  localStorage.setItem(KEPT, JSON.stringify({ id, name }));
  tracker.identify(visitor.token, traits);
}

export function signOut() {
  localStorage.removeItem(KEPT);
  Object.assign(visitor, { id: null, name: null, token: null });
  tracker.reset();
}

/** Tells Footfall of the visitor's profile. */
export function describe(traits) {
  tracker.identify(visitor.token, traits);
}

export class NoAnswer extends Error {}

/** The tracker's id of this browser; undefined until something was tracked. */
export const anonymousId = () => JSON.parse(localStorage.getItem("footfall"))?.id;

/** What Footfall knows of the visitor: `feed`, `next-action`, `insights`; of who isn't signed in the feed alone. Throws NoAnswer. */
export async function read(what) {
  let answer = await ask(what);
  if (visitor.id && (answer.status === 401 || answer.status === 403)) {
    visitor.token = await issue(visitor.id);
    answer = await ask(what);
  }
  if (!answer.ok) throw new NoAnswer(`Footfall answered ${answer.status}.`);
  return answer.json();
}

const KEY = document.querySelector("#tracker").content.querySelector("script").dataset.writeKey;

const ask = (what) =>
  visitor.id
    ? answered(`/v1/users/me/${what}`, { headers: { authorization: `Bearer ${visitor.token}` } })
    : answered(`/v1/anonymous/${anonymousId()}/${what}&write_key=${encodeURIComponent(KEY)}`);

async function answered(address, options) {
  try {
    return await fetch(address, options);
  } catch {
    throw new NoAnswer("Footfall doesn’t answer.");
  }
}

/** The local stack's stand-in for a login. */
async function issue(id) {
  const answer = await answered("/local/token", { method: "POST", body: JSON.stringify({ sub: id }) });
  if (!answer.ok) throw new NoAnswer(`Footfall answered ${answer.status}.`);
  return (await answer.json()).access_token;
}
