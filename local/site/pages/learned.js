// What two readings differ in, each with its reason: {text, why}.

import * as words from "./words.js";

export function differences(before, after) {
  if (!after.insights) return [...feed(before.feed, after.feed)];
  return [
    ...intent(before.insights, after.insights),
    ...stage(before.insights, after.insights),
    ...action(before.action, after.action),
    ...preferences(before.insights.preferences, after.insights.preferences),
    ...hours(before.insights, after.insights),
    ...feed(before.feed, after.feed),
  ];
}

function* intent(before, after) {
  if (before.intent === after.intent) return;
  const { label, why } = words.intent(after.intent);
  yield { text: `You are ${label}`, why };
}

function* stage(before, after) {
  if (before.stage === after.stage) return;
  const { label, why } = words.stage(after.stage);
  yield { text: `Now: ${label}`, why };
}

function* action(before, after) {
  if (before.message === after.message) return;
  yield { text: `Suggests: ${after.message}`, why: words.evidence(after) };
}

function* preferences(before, after) {
  const was = new Map(before.map((one) => [one.type, one.score]));
  // Shares of a whole: where one rises, the others fall.
  const risen = (one) => one.score - (was.get(one.type) ?? 0);
  const [most] = after.toSorted((one, other) => risen(other) - risen(one));
  if (!most || risen(most) < 0.01) return;
  const { type, score } = most;
  const change = was.has(type) ? `${words.percent(was.get(type))} → ${words.percent(score)}` : words.percent(score);
  yield { text: `You care ${was.has(type) ? "more about" : "about"} ${words.type(type)}`, why: `${change} of your engagement.` };
}

function* hours(before, after) {
  if (before.active_hours.join() === after.active_hours.join() || !after.active_hours.length) return;
  yield { text: `You come at ${words.hours(after.active_hours)}`, why: "The busiest hours of your last 7 days." };
}

function* feed(before, after) {
  const known = new Set(before.items.map(key));
  const shown = new Set(after.items.map(key));
  const [gone] = before.items.filter((item) => !shown.has(key(item)) && isMet(item));
  if (gone) yield { text: `“${gone.title ?? "One item"}” left your feed`, why: "A feed leaves out what you have met." };
  if (before.strategy !== after.strategy) yield { text: "Your feed is your own now", why: `${after.reasoning}.` };
  else if (before.reasoning !== after.reasoning) yield { text: "Your feed follows", why: `${after.reasoning}.` };
}

export const key = (item) => `${item.content_type}/${item.content_id}`;

const isMet = (item) => [...window.noted.values()].some(({ event }) => key(event) === key(item));
