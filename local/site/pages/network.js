// The network's own data, as its server answers them. Footfall has no part in it.

async function get(path) {
  const answer = await fetch(`/demo/api/${path}`);
  if (!answer.ok) throw new Error(`The network's server answered ${answer.status}.`);
  return answer.json();
}

/** How much there is: {contents: {type: number}, fill: "no" | "now" | "ask"}. */
export const overview = () => get("network");

/** {items, total}; of `type`, by `author`, `about` somebody, with the words of `q`, at most `limit`. */
export const contents = (wish) => get(`contents?${new URLSearchParams(wish)}`);

/** One of them, or null. */
export const content = (type, id) => get(`contents/${type}/${encodeURIComponent(id)}`);

/** Whom one can sign in as. */
export const characters = () => get("characters");

/** {completeness, skills}, null where nobody has said them. */
export const person = (id) => get(`people/${encodeURIComponent(id)}`);

/** Describes some contents to Footfall, as a product's server does. */
export async function fill() {
  const answer = await fetch("/demo/api/fill", { method: "POST" });
  if (!answer.ok) throw new Error(`The network's server answered ${answer.status}.`);
}

/** {url} of a new project: {title, author, skills}. */
export async function publish(project) {
  const answer = await fetch("/demo/api/projects", { method: "POST", body: JSON.stringify(project) });
  return answer.json();
}

/** Has Footfall learn now. A deployed one learns by its schedule, every minute. */
export const learn = () => fetch("/demo/api/learn", { method: "POST" });
