// The network's pages: each is a title and what stands in <main>.

import { html } from "./html.js";
import * as network from "./network.js";
import { visitor } from "./visitor.js";
import * as words from "./words.js";

const { TYPES } = words;
const PARTS = ["A photo", "A headline", "Where you work", "What you look for", "A few words"];

/** The page at an address: {title, body, content?, search?}. `content` is what the page is about. */
export async function page(address) {
  const [, , name = "", id] = address.pathname.split("/");
  const kind = name.slice(0, -1);
  if (name === "") return home();
  if (name === "search") return found(address.searchParams.get("q")?.trim() ?? "");
  if (name === "me") return me();
  if (TYPES[kind] && !id) return all(kind);
  const content = TYPES[kind] && (await network.content(kind, decodeURIComponent(id)));
  return content ? about(content) : missing();
}

async function home() {
  const [projects, jobs, people, praise] = await Promise.all([
    network.contents({ type: "project", limit: 6 }),
    network.contents({ type: "job", limit: 5 }),
    network.contents({ type: "profile", limit: 6 }),
    network.contents({ type: "endorsement", limit: 2 }),
  ]);
  return {
    title: "Wayside",
    body: html`
      <section class="hero">
        <h1>Good work, and the people behind it.</h1>
        <p>Wayside is a made-up professional network. Footfall runs behind it: look around, and watch what it learns of you and why.</p>
        <ol class="try" id="try"></ol>
      </section>
      ${shelf("project", "New projects", projects)}
      ${shelf("job", "Open jobs", jobs)}
      ${shelf("profile", "New here", people)}
      ${shelf("endorsement", "Kind words", praise)}`,
  };
}

const shelf = (kind, title, { items, total }) => items.length > 0 && html`
  <section>
    <header class="row"><h2>${title}</h2><a class="more" href="/demo/${kind}s">All ${total.toLocaleString("en")}</a></header>
    ${cards(kind, items)}
  </section>`;

async function all(kind) {
  const { items, total } = await network.contents({ type: kind, limit: 36 });
  const shown = total > items.length ? `The newest ${items.length} of ${total.toLocaleString("en")}. Search finds the others.` : "";
  return {
    title: TYPES[kind].title,
    body: html`
      <h1>${TYPES[kind].title}</h1>
      <p class="lead">${shown}</p>
      ${items.length ? cards(kind, items) : html`<p class="empty">There is nothing here yet.</p>`}`,
  };
}

async function found(query) {
  const { items, total } = query ? await network.contents({ q: query, limit: 40 }) : { items: [], total: 0 };
  const kinds = Object.keys(TYPES).map((kind) => [kind, items.filter((item) => item.type === kind)]);
  return {
    title: query ? `${query} – search` : "Search",
    search: query && { query, results_count: total },
    body: html`
      <h1>${query ? html`Results for “${query}”` : "Search"}</h1>
      <p class="lead">${query ? words.some(total, "result", "results") : "Search for a skill, a topic or a name: postgres, design, Nadia."}${total > items.length && `, the newest ${items.length} shown`}</p>
      ${kinds.map(([kind, some]) => section(TYPES[kind].title, kind, some))}`,
  };
}

// One content ───────────────────────────────────────────────────────────────────────────────────────

async function about(content) {
  const pages = { project: aboutProject, job: aboutJob, profile: aboutPerson, endorsement: aboutPraise };
  return { title: content.title, content, body: await pages[content.type](content) };
}

async function aboutProject(project) {
  const { author_id: author, author_name: name } = project;
  const topic = project.attributes?.topic ?? "";
  const [{ items: praise }, { items: own }, { items: alike }] = await Promise.all([
    network.contents({ type: "endorsement", about: author, limit: 2 }),
    network.contents({ type: "project", author, limit: 4 }),
    network.contents({ type: "project", q: topic, limit: 7 }),
  ]);
  const others = (items, besides = []) =>
    items.filter((one) => one.id !== project.id && !besides.some(({ id }) => id === one.id)).slice(0, 3);
  return html`
    <article class="about">
      <div class="cover tall" style="${paint(project)}"></div>
      <p class="kicker">${topic && `${topic} · `}${words.ago(project.published_at)}</p>
      <h1>${project.title}</h1>
      ${by(project)}
      <p class="text">${words.about(project)}</p>
      ${skills(project)}
      ${buttons(["like", "Like"], ["save", "Save"], ["share", "Share"])}
    </article>
    ${section(`What colleagues say about ${name}`, "endorsement", praise)}
    ${section(`More by ${name}`, "project", others(own))}
    ${section(topic ? `More on ${topic}` : "More projects", "project", others(alike, others(own)))}`;
}

async function aboutJob(job) {
  const [skill] = job.attributes?.skills ?? [""];
  const { items } = await network.contents({ type: "job", q: skill, limit: 4 });
  const alike = items.filter((one) => one.id !== job.id).slice(0, 3);
  return html`
    <article class="about">
      <p class="kicker">Job · ${job.attributes?.location} · ${words.ago(job.published_at)}</p>
      <h1>${job.title}</h1>
      ${by(job)}
      <p class="text">${words.about(job)}</p>
      ${skills(job)}
      ${job.available ? buttons(["apply", "Apply"], ["save", "Save"], ["share", "Share"]) : html`<p class="empty">This job has been taken.</p>`}
    </article>
    ${section(`More for ${skill}`, "job", alike)}`;
}

async function aboutPerson(profile) {
  const topic = profile.attributes?.topic ?? "";
  const [{ items: alike }, { items: projects }, { items: jobs }, { items: praise }] = await Promise.all([
    network.contents({ type: "profile", q: topic, limit: 6 }),
    network.contents({ type: "project", author: profile.id, limit: 4 }),
    network.contents({ type: "job", author: profile.id, limit: 4 }),
    network.contents({ type: "endorsement", about: profile.id, limit: 4 }),
  ]);
  const person = nameOf(profile);
  const first = person.split(" ")[0];
  return html`
    <article class="about">
      <div class="person">${avatar(person, "big")}<div><h1>${person}</h1><p class="kicker">${topic} · joined ${words.ago(profile.published_at)}</p></div></div>
      <p class="text">${words.about(profile)}</p>
      ${skills(profile)}
      ${buttons(["endorse", `Endorse ${first}`], ["message", "Message"], ["save", "Save"], ["request_endorsement", "Ask for an endorsement"])}
    </article>
    ${section("Projects", "project", projects)}
    ${section("Jobs posted", "job", jobs)}
    ${section("What colleagues say", "endorsement", praise)}
    ${section(`Others in ${topic}`, "profile", alike.filter((one) => one.id !== profile.id).slice(0, 5))}`;
}

async function aboutPraise(praise) {
  return html`
    <article class="about">
      <p class="kicker">Endorsement · ${words.ago(praise.published_at)}</p>
      <h1>${praise.title}</h1>
      <blockquote>${words.about(praise)}</blockquote>
      ${by(praise)}
      ${praise.endorsed_name && html`<p>About <a href="${praise.endorsed_url}">${praise.endorsed_name}</a></p>`}
      ${skills(praise)}
      ${buttons(["like", "Like"], ["share", "Share"])}
    </article>`;
}

// The visitor ───────────────────────────────────────────────────────────────────────────────────────

async function me() {
  if (!visitor.id) {
    return {
      title: "Your profile",
      body: html`<h1>Your profile</h1><p class="lead">You are not signed in.</p><button class="primary" data-do="ask-who">Sign in</button>`,
    };
  }
  const [known, { items: jobs }, { items: projects }] = await Promise.all([
    network.person(visitor.id),
    network.contents({ type: "job", limit: 20 }),
    network.contents({ type: "project", author: visitor.id, limit: 6 }),
  ]);
  const offered = [...new Set(jobs.flatMap((job) => job.attributes?.skills ?? []))].slice(0, 14);
  const mine = known.skills ?? [];
  const complete = known.completeness ?? 0;
  return {
    title: "Your profile",
    body: html`
      <div class="person">${avatar(visitor.name, "big")}<div><h1>${visitor.name}</h1><p class="kicker">This is you, as Wayside knows you</p></div></div>
      <section>
        <header class="row"><h2>Profile</h2><span class="more" id="complete">${complete} % complete</span></header>
        <span class="bar" id="completeness"><i style="width:${complete}%"></i></span>
        <ul class="parts">${PARTS.map((part, index) => {
          const there = complete >= (index + 1) * 20;
          return html`<li><button class="part" data-do="add-part" data-complete="${(index + 1) * 20}" ${there && "disabled"}>${there ? "Added" : "Add"}</button>${part}</li>`;
        })}</ul>
        <p class="note">Each step sends an <code>identify</code> with <code>profile_completeness</code>. Under half, Footfall suggests to finish the profile first.</p>
      </section>
      <section>
        <h2>Skills</h2>
        <div class="chips">${[...new Set([...mine, ...offered])].map((skill) => html`<button class="chip" data-do="skill" aria-pressed="${mine.includes(skill)}">${skill}</button>`)}</div>
        <p class="note">New jobs that name one of them are counted in what Footfall suggests next.</p>
      </section>
      <section>
        <h2>Projects</h2>
        ${projects.length > 0 && cards("project", projects)}
        <form class="pair" id="publish"><input name="title" placeholder="What did you build?" aria-label="Title of a new project" maxlength="80" required><button>Add</button></form>
        <p class="note">A project is <code>content</code>: the network’s server describes it to Footfall, with the server key.</p>
      </section>`,
  };
}

function missing() {
  return {
    title: "Not found",
    body: html`<h1>There is no such page</h1><p class="lead">What was here is gone, or never was.</p><p><a class="button" href="/demo/">To the start</a></p>`,
  };
}

// Parts ─────────────────────────────────────────────────────────────────────────────────────────────

const CARDS = {
  project: (one) => html`
    <a class="card" href="${one.url}"><div class="cover" style="${paint(one)}"></div>
      <div class="inside"><h3>${one.title}</h3><p class="small">${one.author_name && html`${avatar(one.author_name)} ${one.author_name}`}</p></div></a>`,
  job: (one) => html`
    <a class="line" href="${one.url}"><div><h3>${one.title}</h3><p class="small">${one.attributes?.location} · ${words.ago(one.published_at)}</p></div><span class="tag">${one.attributes?.topic}</span></a>`,
  profile: (one) => html`
    <a class="card face" href="${one.url}">${avatar(nameOf(one), "middle")}<h3>${nameOf(one)}</h3><p class="small">${one.attributes?.topic}</p></a>`,
  endorsement: (one) => html`
    <a class="card quote" href="${one.url}"><p>${words.about(one)}</p><p class="small">${one.author_name && html`${avatar(one.author_name)} ${one.author_name}`}${one.endorsed_name && html` on ${one.endorsed_name}`}</p></a>`,
};

const cards = (kind, items) => html`<div class="cards ${kind}s">${items.map(CARDS[kind])}</div>`;

const section = (title, kind, items) => items.length > 0 && html`<section><h2>${title}</h2>${cards(kind, items)}</section>`;

const nameOf = (profile) => profile.title.split(", ")[0];

export function avatar(name, size = "") {
  const initials = name.split(" ").map((part) => part[0]).slice(0, 2).join("");
  return html`<span class="avatar ${size}" style="--hue:${words.number(name) % 360}" aria-hidden="true">${initials}</span>`;
}

const by = (content) => content.author_name && html`
  <p class="by"><a href="${content.author_url}">${avatar(content.author_name)} ${content.author_name}</a></p>`;

const skills = (content) => html`
  <div class="chips">${(content.attributes?.skills ?? []).map((skill) => html`<a class="chip" href="/demo/search?q=${encodeURIComponent(skill)}">${skill}</a>`)}</div>`;

const buttons = (...actions) => html`
  <div class="buttons">${actions.map(([action, label], index) => html`<button class="${index ? "" : "primary"}" data-do="${action}">${label}</button>`)}</div>`;

/** A cover of its own for each: a colour by topic, a form by id. */
function paint(content) {
  const hue = (words.number(content.attributes?.topic ?? "") * 53) % 360;
  const seed = words.number(content.id);
  return `--hue:${hue};--x:${seed % 100}%;--y:${(seed * 7) % 100}%;--turn:${seed % 180}deg`;
}
