// The site: shows the page of the address, and tells the tracker what is done there.

import { html } from "./html.js";
import * as network from "./network.js";
import { avatar, page } from "./pages.js";
import { meet } from "./panel.js";
import { KEPT, describe, restore, signIn, signOut, visitor } from "./visitor.js";
import * as words from "./words.js";

// Until the tracker is there, and where a blocker holds it back, the site works without.
window.tracker = new Proxy({ isMissing: false }, { get: (own, name) => own[name] ?? (() => ({ end() {} })) });

const main = document.querySelector("#main");
const dialog = document.querySelector("#sign-in");
const search = document.querySelector(".search");
let shown = null;
let view = null;
/** How many pages were asked for: of two that are on their way, the later one is shown. */
let asked = 0;

// Pages ─────────────────────────────────────────────────────────────────────────────────────────────

/** Shows another page. The tracker notices by itself, from the history, that there is one. */
async function go(address, from) {
  const mine = ++asked;
  const next = await load(address);
  if (mine !== asked) return;
  leave();
  document.title = next.title;
  history.pushState(null, "", address);
  present(next, from);
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
  if (next.search) tracker.trackAction("search", "content_discovery", next.search);
}

async function load(address) {
  try {
    return await page(new URL(address, location.href));
  } catch (error) {
    return { title: "Wayside", body: failed(error) };
  }
}

const failed = (error) => html`
  <h1>That didn’t work</h1>
  <p class="lead">${error.message}</p>
  <button class="primary" data-do="again">Try again</button>`;

function present(next, from) {
  shown = next;
  document.title = next.title;
  main.innerHTML = next.body;
  search.elements.q.value = new URLSearchParams(location.search).get("q") ?? "";
  for (const link of document.querySelectorAll(".top nav a")) {
    link.ariaCurrent = location.pathname.startsWith(link.pathname) ? "page" : null;
  }
  if (next.content) view = tracker.viewContent(next.content.type, next.content.id, from);
  renderTry();
}

/** How long somebody looked at something, is known when they go on. */
function leave() {
  view?.end();
  view = null;
}

async function reload() {
  leave();
  const mine = ++asked;
  const next = await load(location.href);
  if (mine === asked) present(next);
}

addEventListener("popstate", reload);

search.addEventListener("submit", (event) => {
  event.preventDefault();
  const query = search.elements.q.value.trim();
  if (query) go(`/demo/search?q=${encodeURIComponent(query)}`);
});

main.addEventListener("submit", async (event) => {
  event.preventDefault();
  const skills = chosenSkills();
  const title = new FormData(event.target).get("title");
  await network.publish({ title, author: visitor.id, skills: skills.length ? skills : ["something new"] });
  tracker.trackAction("create_project", "engagement");
  await reload();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/demo/']");
  if (link && event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey) {
    event.preventDefault();
    follow(link);
  }
  const button = event.target.closest("[data-do]");
  if (button) (DEEDS[button.dataset.do] ?? engage)(button);
});

function follow(link) {
  const { feed, position, type, id, suggested } = link.dataset;
  const from = feed && { feedId: feed, position: Number(position) };
  if (from) tracker.trackContentInteraction(type, id, "click", undefined, from);
  if (suggested) tracker.trackAction("follow_suggestion", "engagement", { suggestion: suggested });
  document.querySelector("#panel.open #grip")?.click();
  go(link.getAttribute("href"), from || undefined);
}

// Deeds ─────────────────────────────────────────────────────────────────────────────────────────────

/** Like, save, share, apply, endorse: an interaction with what the page is about. */
function engage(button) {
  const { type, id } = shown.content;
  tracker.trackContentInteraction(type, id, button.dataset.do);
  done(button);
}

const DEEDS = {
  message(button) {
    tracker.trackAction("send_message", "engagement", { to: shown.content.id });
    done(button);
  },

  request_endorsement(button) {
    tracker.trackAction("request_endorsement", "engagement", { endorser_id: shown.content.id });
    done(button);
  },

  async "add-part"(button) {
    const complete = Number(button.dataset.complete);
    tracker.trackAction("edit_profile", "engagement", { complete });
    describe({ profile_completeness: complete });
    const parts = [...main.querySelectorAll(".part")].filter((part) => Number(part.dataset.complete) <= complete);
    for (const part of parts) Object.assign(part, { disabled: true, textContent: "Added" });
    main.querySelector("#completeness i").style.width = `${complete}%`;
    main.querySelector("#complete").textContent = `${complete} % complete`;
  },

  skill(button) {
    button.ariaPressed = String(button.ariaPressed !== "true");
    describe({ skills: chosenSkills() });
  },

  "ask-who": askWho,

  close: () => dialog.close(),

  async "sign-in"(button) {
    await enter(button.dataset.id, button.dataset.name);
  },

  async "sign-out"() {
    signOut();
    await Promise.all([renderWho(), meet(), reload()]);
  },

  async fill(button) {
    button.disabled = true;
    await attempt(moveIn);
  },

  again: () => location.reload(),
};

function chosenSkills() {
  return [...main.querySelectorAll(".chip[aria-pressed=true]")].map((chip) => chip.textContent);
}

function done(button) {
  button.classList.add("done");
  button.disabled = true;
}

// Who visits ────────────────────────────────────────────────────────────────────────────────────────

async function askWho() {
  const people = await network.characters().catch(() => []);
  dialog.innerHTML = html`
    <form method="dialog" class="sheet">
      <header class="row"><h2 id="sign-in-title">Who are you today?</h2><button type="button" class="plain" data-do="close" aria-label="Close">×</button></header>
      <p class="quiet">No password: this stack is yours, and signs tokens as your login would.</p>
      <label>Somebody new <span class="pair"><input name="name" placeholder="Your name" maxlength="40" autocomplete="off" autofocus><button class="primary">Join</button></span></label>
      ${people.length
        ? html`<p class="quiet">Or somebody with a month behind them</p>
          <ul class="people">${people.map(character)}</ul>`
        : html`<p class="quiet">Nobody here has a past yet. <code>make demo</code>, in another terminal, simulates a month of the network; then there are people here to sign in as.</p>`}
    </form>`;
  dialog.showModal();
}

const character = (one) => html`
  <li><button type="button" data-do="sign-in" data-id="${one.user_id}" data-name="${one.name}">${avatar(one.name)}<span><b>${one.name}</b>
  <span class="small">mostly ${words.type(one.favourite)} · ${words.stage(one.stage).label} · ${words.some(one.activities, "activity", "activities")}</span></span></button></li>`;

dialog.addEventListener("submit", (event) => {
  event.preventDefault();
  const name = new FormData(event.target).get("name").trim();
  if (!name) return;
  const id = `${name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-")}-${crypto.getRandomValues(new Uint16Array(1))[0].toString(16)}`;
  enter(id, name, { name, profile_completeness: 20 });
});

async function enter(id, name, traits) {
  dialog.close();
  await signIn(id, name, traits);
  await Promise.all([renderWho(), meet(), reload()]);
}

function renderWho() {
  document.querySelector("#who").innerHTML = visitor.id
    ? html`<a class="me" href="/demo/me">${avatar(visitor.name)}<span>${visitor.name}</span></a><button class="plain" data-do="sign-out">Sign out</button>`
    : html`<button class="primary" data-do="ask-who">Sign in</button>`;
}

// What to try ───────────────────────────────────────────────────────────────────────────────────────

function renderTry() {
  const list = document.querySelector("#try");
  if (!list) return;
  const events = [...window.noted.values()].map(({ event }) => event);
  const count = (holds) => new Set(events.filter(holds).map((event) => event.id)).size;
  const tries = [
    ["Sign in", "as yourself, or as somebody with a past", visitor.id ? 1 : 0, 1],
    ["Search six times", "for what you like: you are “actively searching”", count((one) => one.event_action === "search"), 6],
    ["Open four projects", "and you are “researching”; your feed follows", count((one) => one.content_type === "project" && one.interaction_type === "view"), 4],
    ["Like, save, apply", "and your preferences move", count((one) => /like|save|apply|endorse/.test(one.interaction_type)), 3],
  ];
  list.innerHTML = html`${tries.map(([what, why, so, wanted]) => html`
    <li class="${so >= wanted && "done"}"><b>${what}</b><span>${why}</span><i style="--so:${Math.min(so / wanted, 1)}"></i></li>`)}`;
}

window.addEventListener("noted", renderTry);

// The start ─────────────────────────────────────────────────────────────────────────────────────────

/** A new stack has nothing to show; nobody's own database is filled, or tracked into, unasked. */
async function begin() {
  await restore();
  const { fill } = await network.overview();
  if (fill === "now") return moveIn();
  if (fill === "no") return settle();
  main.innerHTML = html`
    <section class="hero">
      <h1>This network is empty.</h1>
      <p>The database has data of yours, or is your own. Shall some 400 descriptions of made-up people, projects and jobs go in, through the same front door as everything else?</p>
      <p>They stay there as <code>content</code>; no events are made up.</p>
      <button class="primary" data-do="fill">Furnish the network</button>
    </section>`;
}

async function moveIn() {
  main.innerHTML = html`<section class="hero"><h1>Moving in…</h1><p>People, projects and jobs are being described to Footfall, as a product’s server would. This happens once.</p></section>`;
  await network.fill();
  await settle();
}

async function settle() {
  await loadTracker();
  if (visitor.id) tracker.identify(visitor.token);
  renderWho();
  meet();
  await reload();
}

function loadTracker() {
  const script = document.importNode(document.querySelector("#tracker").content, true).querySelector("script");
  return new Promise((resolve) => {
    script.onload = resolve;
    script.onerror = () => resolve((tracker.isMissing = true));
    document.head.append(script);
  });
}

async function attempt(start) {
  try {
    await start();
  } catch (error) {
    main.innerHTML = failed(error);
  }
}

// Signed in or out in another tab.
addEventListener("storage", ({ key }) => key === KEPT && location.reload());

await attempt(begin);
