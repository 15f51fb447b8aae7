// What two readings differ in, each with its reason: {text, why}.

import * as words from "./words.js";

export function differences(before, after) {
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
  const known = new Map(before.map((one) => [one.type, one]));
  for (const one of after) {
    const was = known.get(one.type);
    const moved = one.score - (was?.score ?? 0);
    if (Math.abs(moved) < 0.01) continue;
    const text = `You care ${!was ? "about" : moved > 0 ? "more about" : "less about"} ${words.type(one.type)}`;
    const change = was ? `${words.percent(was.score)} → ${words.percent(one.score)}` : words.percent(one.score);
    yield { text, why: `${change} of your engagement, ${words.source(one.source)}.` };
  }
}

function* hours(before, after) {
  if (before.active_hours.join() === after.active_hours.join() || !after.active_hours.length) return;
  yield { text: `You come at ${words.hours(after.active_hours)}`, why: "The busiest hours of your last 7 days." };
}

function* feed(before, after) {
  const known = new Set(before.items.map(key));
  const shown = new Set(after.items.map(key));
  const [gone] = before.items.filter((item) => !shown.has(key(item)) && isMet(item));
  if (gone) yield { text: `“${gone.title ?? "One item"}” left your feed`, why: "You have met it now." };
  if (before.strategy !== after.strategy) yield { text: "Your feed is your own now", why: `${after.reasoning}.` };
  else if (before.reasoning !== after.reasoning) yield { text: "Your feed follows", why: `${after.reasoning}.` };
}

export const key = (item) => `${item.content_type}/${item.content_id}`;

const isMet = (item) => [...window.noted.values()].some(({ event }) => key(event) === key(item));
