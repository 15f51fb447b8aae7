// What is known, in sentences. Names that a product made up itself are shown as they are.

export const TYPES = {
  project: { one: "project", many: "projects", title: "Projects" },
  job: { one: "job", many: "jobs", title: "Jobs" },
  profile: { one: "person", many: "people", title: "People" },
  endorsement: { one: "endorsement", many: "endorsements", title: "Endorsements" },
};

const INTENTS = {
  actively_searching: ["actively searching", "Over 5 searches in the last 20 activities."],
  recruiting: ["recruiting", "Over 3 people viewed in the last 20 activities."],
  researching: ["researching", "Over 3 projects viewed in the last 20 activities."],
  browsing: ["just browsing", "No pattern in the last 20 activities."],
};

const STAGES = {
  new_user: ["new user", "Signed up less than a day ago."],
  incomplete_profile: ["unfinished profile", "Profile less than half complete."],
  low_engagement: ["occasional visitor", "Fewer than 10 activities so far."],
  active_user: ["active user", "Past day one, with 10 activities or more."],
  power_user: ["power user", "Over 30 days here, over 100 activities."],
};

const EVIDENCE = {
  missing_projects: (count) => `${some(count, "project", "projects")} short of two`,
  matching_opportunities: (count) => `${some(count, "new job names", "new jobs name")} one of your skills`,
  opportunities: (count) => `${some(count, "job", "jobs")} of the last 7 days you haven't met`,
  trending_items: (count) => `${some(count, "thing", "things")} in fashion you haven't met`,
};

const SOURCES = {
  explicit: "said",
  inferred: "inferred",
  ml_predicted: "predicted",
};

const ACTIONS = {
  complete_profile: "/demo/me",
  add_projects: "/demo/me",
  request_endorsement: "/demo/profiles",
  explore_jobs: "/demo/jobs",
  explore_trending: "/demo/projects",
  refer_friend: "/demo/profiles",
};

const spelled = (name) => name.replaceAll("_", " ");
export const intent = (name) => named(INTENTS, name);
export const stage = (name) => named(STAGES, name);
export const type = (name) => TYPES[name]?.many ?? spelled(name);
export const source = (name) => SOURCES[name] ?? spelled(name);
export const leadsTo = (action) => ACTIONS[action] ?? "/demo/";

function named(known, name) {
  const [label, why] = known[name] ?? [spelled(name), ""];
  return { label, why };
}

/** What a next action rests on: what was counted, or else the stage. */
export function evidence(action) {
  const counted = Object.entries(action.evidence).map(
    ([name, count]) => EVIDENCE[name]?.(count) ?? `${spelled(name)}: ${count}`,
  );
  return counted.length ? `Counted: ${counted.join(", ")}.` : `What is suggested to every ${stage(action.stage).label}.`;
}

export const some = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
export const percent = (share) => `${Math.round(share * 100)} %`;
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export function hours(numbers) {
  const sorted = numbers.toSorted((one, other) => one - other);
  return new Intl.ListFormat("en").format(sorted.map((hour) => `${String(hour).padStart(2, "0")}:00`));
}

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["month", 30 * 24], ["week", 7 * 24], ["day", 24], ["hour", 1]];

export function ago(time) {
  const hours = (new Date(time) - Date.now()) / 3_600_000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(hours) >= size) ?? UNITS.at(-1);
  return RELATIVE.format(Math.trunc(hours / size), unit);
}

/** A number that stays the same for a text. */
export function number(text) {
  return [...text].reduce((sum, character) => (sum * 31 + character.codePointAt(0)) % 9973, 7);
}

// The catalogue has titles and skills; these make a page of them.
const ABOUT = {
  project: [
    ([first, second, third]) => `A working answer to a question that comes up in every team: how far do ${first} and ${second} go together? With code, measurements, and a frank chapter on the limits of ${third}.`,
    ([first, second, third]) => `Began as a weekend’s notes on ${first}, and is in use by three teams now. It leans on ${second}, stays out of ${third}, and is small enough to be read in an afternoon.`,
    ([first, second, third]) => `What we would have liked to know a year ago about ${first}, ${second} and ${third}: what holds under load, what it costs, and when to leave it alone.`,
  ],
  job: [
    ([first, second, third]) => `You will own ${first} from the first sketch to the night it runs alone. We work in small teams, write things down, and use ${second} every day; ${third} could be something that you teach us.`,
    ([first, second, third]) => `Our product has outgrown its beginnings in ${first}. You will build what comes next, with ${second} where it helps and a good eye for ${third}. Four days a week are welcome.`,
  ],
  profile: [
    ([first, second, third]) => `Mostly ${first} and ${second} these days; happy to talk about ${third} over coffee.`,
    ([first, second, third]) => `Works on ${first}, explains ${second}, and is learning ${third}.`,
  ],
  endorsement: [
    ([first, second]) => `We spent half a year on the same problem. I have seldom met anybody who explains ${first} so calmly, and who knows the limits of ${second} so well.`,
    ([first, second]) => `When we were lost in ${first}, this was whom we asked. Thorough, kind, and quick with ${second}.`,
  ],
};

export function about(content) {
  const skills = content.attributes?.skills ?? [];
  const texts = ABOUT[content.type] ?? [];
  return skills.length > 2 && texts.length ? texts[number(content.id) % texts.length](skills) : "";
}
