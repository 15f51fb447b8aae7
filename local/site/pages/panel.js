// The panel: what Footfall knows of the visitor, why, and what has just changed.

import { html } from "./html.js";
import { differences, key } from "./learned.js";
import * as network from "./network.js";
import { anonymousId, NoAnswer, read, visitor } from "./visitor.js";
import * as words from "./words.js";

const HEARTBEAT = 10_000;
const IMPATIENCE = 1_000;
const REMEMBERED = 3;
const ITEMS = 4;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const PHONE = matchMedia("(max-width: 820px)");

const panel = document.querySelector("#panel");
let known = null;
let learned = [];
let problem = "";
let reading = 0;
let isLearning = false;
let hasMore = false;
let unread = 0;

panel.innerHTML = html`
  <button class="grip" id="grip" aria-expanded="false" aria-controls="panel-body">
    <span class="mark">Footfall</span><span id="glance"></span><span class="status" id="status"></span>
  </button>
  <div id="panel-body">
    <section id="introduction"></section>
    <section id="learned" aria-live="polite"></section>
    <section id="now"></section>
    <section id="next"></section>
    <section id="likes"></section>
    <section id="feed"></section>
    <section id="hours"></section>
    <p id="note" class="quiet">Here Footfall learns within seconds of each click. Deployed, it does so by its schedule, every minute; intent is always seconds old.</p>
    <details id="log"><summary></summary><ol></ol></details>
  </div>`;
const part = (id) => panel.querySelector(`#${id}`);
const written = new Map();

/** Leaves alone what is there already: somebody may be reading it. */
function put(id, content) {
  const text = String(content);
  if (written.get(id) === text) return false;
  written.set(id, text);
  part(id).innerHTML = text;
  return true;
}

const grip = part("grip");
const enable = () => (grip.disabled = !PHONE.matches);
PHONE.addEventListener("change", enable);
enable();
grip.addEventListener("click", () => {
  grip.ariaExpanded = String(panel.classList.toggle("open"));
  unread = 0;
  renderGlance();
});

/** Begins anew, for whoever visits now. */
export async function meet() {
  known = null;
  learned = [];
  problem = "";
  unread = 0;
  reading += 1;
  render();
  await refresh();
}

window.addEventListener("noted", ({ detail }) => {
  if (detail === "arrived") learn();
  renderLog();
  renderStatus();
});

/** Has what has just arrived learned; a deployed Footfall does so every minute. */
async function learn() {
  hasMore = true;
  if (isLearning) return;
  isLearning = true;
  while (hasMore) {
    hasMore = false;
    renderStatus();
    // Intent and the feed need no learning, and that may take its time while much else is new.
    const early = setInterval(() => refresh(true), IMPATIENCE);
    await network.learn().catch(() => {});
    clearInterval(early);
    await refresh(true);
  }
  isLearning = false;
  renderStatus();
}

// What the schedule learns, or another tab does, shows a little later. Nobody looks at a hidden page.
setInterval(() => !document.hidden && refresh(), HEARTBEAT);

async function refresh(hasNews = false) {
  if (!visitor.id && !anonymousId()) return;
  const mine = (reading += 1);
  try {
    const [insights, action] = visitor.id ? await Promise.all([read("insights"), read("next-action")]) : [];
    if (mine !== reading) return;
    // A feed notes what it shows, so it is asked for only when it may have changed.
    const isSame = known && !hasNews && known.insights?.updated_at === insights?.updated_at;
    const found = { insights, action, feed: isSame ? known.feed : await read(`feed?limit=${ITEMS}`) };
    if (mine !== reading) return;
    const news = known ? differences(known, found) : [];
    learned = [...news.map((one) => ({ ...one, at: new Date() })), ...learned].slice(0, REMEMBERED);
    problem = "";
    if (!panel.classList.contains("open")) unread += news.length;
    const before = known;
    known = found;
    render(before, news.length);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    if (mine !== reading) return;
    problem = `${error.message} It is asked again in a moment.`;
    render(known);
  }
}

// What is shown ─────────────────────────────────────────────────────────────────────────────────────

function render(before = known, news = 0) {
  renderStatus();
  renderLog();
  put("introduction", introduction());
  put("learned", learned.length ? learnedList(news) : "");
  renderGlance();
  for (const id of ["now", "next", "hours"]) put(id, known?.insights ? PARTS[id](known, before) : "");
  if (put("likes", known?.insights ? PARTS.likes(known, before) : "")) part("likes").querySelectorAll("[data-from]").forEach(grow);
  renderFeed();
  if (news && !panel.matches(":hover")) panel.scrollTo({ top: 0, behavior: "smooth" });
}

/** What a phone shows of the panel while it is closed. */
function renderGlance() {
  put("glance", html`${known?.insights && words.intent(known.insights.intent).label}${unread > 0 && html`<b class="news">${unread} new</b>`}`);
}

function introduction() {
  if (problem) return html`<p class="warning">${problem}</p>`;
  if (window.tracker?.isMissing) {
    return html`<p class="warning">The tracker didn’t load, so nothing is learned. Does a blocker hold <code>/tracker.js</code> back?</p>`;
  }
  if (navigator.globalPrivacyControl || navigator.doNotTrack === "1") {
    return html`<p class="warning">Your browser asks not to be tracked, and Footfall honours that: nothing is sent.</p>`;
  }
  if (visitor.id) return known ? "" : html`<p class="quiet">Asking what is known of ${visitor.name}…</p>`;
  return html`
    <h2>You are anonymous</h2>
    <p>What you do is counted under a random id, and nobody knows whose it is. Your feed follows it all the same.</p>
    <p>Sign in, as yourself or as somebody of the network, to see what else Footfall makes of you. What you have done until then becomes yours.</p>
    <button class="primary" data-do="ask-who">Sign in as…</button>`;
}

const learnedList = (news) => html`
  <h2>Just learned</h2>
  <ol>${learned.map((one, index) => html`<li class="${index < news && "changed"}"><b>${one.text}</b><time>${clock(one.at)}</time><span>${one.why}</span></li>`)}</ol>`;

const PARTS = {
  next: ({ action }, before) => html`
    <div class="suggestion ${before && before.action.message !== action.message && "changed"}">
      <div>
        <h2>Next action</h2>
        <p class="message">${action.message}</p>
        <p class="why">${words.evidence(action)}</p>
      </div>
      <a class="button" href="${words.leadsTo(action.action)}" data-suggested="${action.action}">${action.cta}</a>
    </div>`,

  now: ({ insights }, before) => html`
    ${fact("Intent", words.intent(insights.intent), before && before.insights.intent !== insights.intent)}
    ${fact("Stage", words.stage(insights.stage), before && before.insights.stage !== insights.stage)}`,

  likes: ({ insights }, before) => html`
    <h2>Preferences</h2>
    ${insights.preferences.length
      ? html`<ul>${insights.preferences.map((one) => liking(one, before?.insights.preferences.find((was) => was.type === one.type), before))}</ul>`
      : html`<p class="quiet">Nothing yet. Open, like or save something.</p>`}`,

  hours: ({ insights }) => html`
    <h2>Active hours</h2>
    ${insights.active_hours.length
      ? html`
        <div class="clock" aria-hidden="true">
          ${Array.from({ length: 24 }, (_, hour) => html`<i class="${insights.active_hours.includes(hour) && "busy"}"></i>`)}
        </div>
        <p class="scale" aria-hidden="true"><span>00</span><span>06</span><span>12</span><span>18</span><span>24</span></p>
        <p class="why">Mostly at ${words.hours(insights.active_hours)}${insights.time_zone && ` (${insights.time_zone.replaceAll("_", " ")})`}.</p>`
      : html`<p class="quiet">Not known yet: nothing of the last 7 days has been learned.</p>`}`,
};

const fact = (name, { label, why }, isNew) => html`
  <div class="fact ${isNew && "changed"}"><h2>${name}</h2><p class="value">${words.capital(label)}</p><p class="why">${why}</p></div>`;

function liking(one, was, before) {
  const moved = before ? Math.round(one.score * 100) - Math.round((was?.score ?? 0) * 100) : 0;
  return html`
    <li class="${moved && "changed"}">
      <span class="name">${words.capital(words.type(one.type))} <span class="why">${words.source(one.source)}, ${words.percent(one.confidence)} sure</span></span>
      <span class="moved ${moved > 0 ? "up" : "down"}">${moved !== 0 && `${moved > 0 ? "+" : "−"}${Math.abs(moved)}`}</span>
      <span class="score">${words.percent(one.score)}</span>
      <span class="bar"><i style="width:${one.score * 100}%" data-from="${(was?.score ?? 0) * 100}"></i></span>
    </li>`;
}

function renderFeed() {
  const rows = () => [...part("feed").querySelectorAll("[data-key]")];
  const before = new Map(rows().map((row) => [row.dataset.key, row.offsetTop]));
  if (put("feed", known ? feed(known.feed) : "") && before.size) {
    for (const row of rows()) settle(row, before.get(row.dataset.key));
  }
}

const feed = ({ items, reasoning, feed_id }) => html`
  <h2>Your feed</h2>
  <p class="why">${reasoning}.</p>
  <ol>${items.map((item, position) => html`<li data-key="${key(item)}">${entry(item, feed_id, position)}</li>`)}</ol>`;

function entry(item, feedId, position) {
  const inside = html`<b>${item.title ?? words.capital(words.type(item.content_type))}</b><span class="why">${item.reason}</span>`;
  return item.url?.startsWith("/demo/")
    ? html`<a href="${item.url}" data-feed="${feedId}" data-position="${position}" data-type="${item.content_type}" data-id="${item.content_id}">${inside}</a>`
    : html`<div>${inside}</div>`;
}

/** A row glides from where it was; a new one lights up. */
function settle(row, from) {
  if (from === undefined) row.classList.add("changed");
  else if (from !== row.offsetTop && !CALM.matches) {
    row.animate([{ transform: `translateY(${from - row.offsetTop}px)` }, {}], { duration: 450, easing: "ease" });
  }
}

function grow(bar) {
  if (!CALM.matches) bar.animate([{ width: `${bar.dataset.from}%` }, {}], { duration: 600, easing: "ease" });
}

// What was sent ─────────────────────────────────────────────────────────────────────────────────────

const STATES = { waiting: "waits to be sent", sending: "is being sent", arrived: "arrived", refused: "refused", lost: "didn’t get through; the tracker tries again" };

function renderLog() {
  const all = [...window.noted.values()];
  const arrived = all.filter(({ state }) => state === "arrived").length;
  part("log").querySelector("summary").textContent = all.length
    ? `${words.some(arrived, "event", "events")} arrived${arrived < all.length ? `, ${all.length - arrived} under way` : ""}`
    : "No events yet";
  part("log").querySelector("ol").innerHTML = html`${all.slice(-30).reverse().map(({ event, state, why, at }) => html`
    <li class="${state}" title="${STATES[state]}"><time>${clock(at)}</time> <span>${named(event)}</span><em>${why ?? STATES[state]}</em></li>`)}`;
}

const clock = (time) => time.toLocaleTimeString("en-GB");

function named(event) {
  if (event.type === "interaction") return `${event.interaction_type} ${words.TYPES[event.content_type]?.one ?? event.content_type}`;
  if (event.type === "identify") return "identify";
  return `${(event.event_action === "view" ? event.event_type : event.event_action).replaceAll("_", " ")} ${event.event_type === "page_view" ? event.page_path : ""}`;
}

function renderStatus() {
  const isWaiting = [...window.noted.values()].some(({ state }) => state !== "arrived");
  const [state, text] = isLearning ? ["learning", "learning"] : isWaiting ? ["sending", "sending"] : ["idle", visitor.id ? "up to date" : "listening"];
  part("status").className = `status ${state}`;
  part("status").textContent = text;
}
