"""Reports against figures that are counted here, in plain Python, from the raw tables."""

import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from footfall.database import Database
from functions.analyze import counts
from functions.insights import paths as paths_module
from functions.insights.activity import activity
from functions.insights.content import content
from functions.insights.funnel import funnel
from functions.insights.handler import QUERIES
from functions.insights.paths import paths
from functions.insights.retention import retention
from functions.insights.sessions import LENGTHS, sessions
from local.postgres.roles import let_in
from tests.database import TEMPLATE, _database
from tests.site import BOT, Json, Site

# The clocks of Europe went back on 25 October 2026.
NOW = datetime(2026, 11, 12, 9, 17, tzinfo=UTC)
SINCE = NOW - timedelta(days=40)
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe")
AGENTS = {
    "mobile": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Mobile/15E148 Safari/604.1",
    "desktop": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
    "unknown": "",
}
PAGES = ("/", "/pricing", "/projects", "/projects/1", "/projects_1", "/about")
ACTIONS = ("sign_up", "follow", "share")
FILTERS: tuple[Json, ...] = (
    {},
    {"bots": "true"},
    {"device": "mobile"},
    {"device": "unknown", "bots": "true"},
    {"country": "DE", "device": "mobile"},
    {"country": "unknown"},
)


@dataclass
class Row:
    """An activity as it is stored; `content` is type/interaction, of those that are interactions."""

    id: str
    at: datetime
    visitor: str
    device_key: tuple[str, bool]
    session: str | None
    type: str
    action: str | None
    page: str | None
    device: str
    country: str
    is_bot: bool
    sequence: int | None


@dataclass
class Busy:
    """A database in which much happened, and a reader of it."""

    site: Site
    reader: Database
    rows: list[Row]
    interactions: list[Json]

    def ask(self, report: Callable[..., Any], *more: Any, **query: Any) -> Any:
        asked = {name.rstrip("_"): value for name, value in query.items()}
        return self.reader.run(lambda transaction: report(transaction, asked, *more, NOW))


@pytest.fixture(scope="module", params=[1, 2])
def busy(postgres_url: str, template_url: str, request: pytest.FixtureRequest) -> Iterator[Busy]:
    assert template_url
    with _database(postgres_url, TEMPLATE) as url, Site(url) as site:
        _live(site, random.Random(request.param))
        # What analyze counted is of before half of it came.
        reader = Database(let_in(url, "footfall_insights"), QUERIES)
        yield Busy(site, reader, _rows(site), site.rows("SELECT * FROM content_interactions"))
        reader.close()


def _live(site: Site, dice: random.Random) -> None:
    events = [event for number in range(45) for event in _visitor(number, dice)]
    # Two devices of one user.
    for minutes, device in enumerate(("device 901", "device 902")):
        tie = {"type": "alias", "anonymous_id": device, "user_id": "user 900"}
        events.append({**tie, "created_at": NOW.isoformat()})
        for day in (1, 9, 30):
            at = NOW - timedelta(days=day, minutes=minutes)
            said = {"anonymous_id": device, "session_id": f"of {device} {day}", "created_at": at.isoformat()}
            events += [{**said, **_act(dice)}]
    dice.shuffle(events)
    half = len(events) // 2
    site.send(*events[:half], at=NOW)
    assert counts.learn(site.learner, NOW, lambda: True)
    site.send(*events[half:], at=NOW)
    site.connection.execute(
        "INSERT INTO impressions (feed_id, position, user_id, content_type, content_id, strategy, propensity,"
        " arm, shown_at) SELECT gen_random_uuid(), 0, gen_random_uuid(), content_type, content_id, 'newest',"
        " 1, 'none', created_at FROM content_interactions WHERE content_type = 'project'"
    )


def _visitor(number: int, dice: random.Random) -> Iterator[Json]:
    kind = dice.choice(["anonymous", "anonymous", "user", "both", "stitched"])
    who: Json = {} if kind == "user" else {"anonymous_id": f"device {number}"}
    if kind in ("user", "both"):
        who["user_id"] = f"user {number}"
    context = {"user_agent": dice.choice([*AGENTS.values(), BOT if number % 7 == 0 else AGENTS["mobile"]])}
    if country := dice.choice(["DE", "FR", None]):
        context["country"] = country
    for visit in range(dice.randint(1, 9)):
        at = SINCE + (NOW - SINCE) * dice.random() ** dice.choice([1, 1, 0.5, 2])
        session = {} if dice.random() < 0.2 else {"session_id": f"{number} {visit}"}
        for step in range(dice.choice([1, 1, 2, 3, 5, 8])):
            said = {"sequence": step, "context": context, "created_at": at.isoformat()}
            yield {**who, **session, **_act(dice), **said}
            at = min(at + timedelta(seconds=dice.choice([0, 1, 5, 40, 400, 1500])), NOW)
    if kind == "stitched":
        tied_at = NOW - timedelta(days=dice.randint(0, 20))
        tie = {"type": "alias", "anonymous_id": f"device {number}", "user_id": f"user {number}"}
        yield {**tie, "created_at": tied_at.isoformat()}


def _act(dice: random.Random) -> Json:
    match dice.randrange(4):
        case 0 | 1:
            return {
                "event_type": "page_view",
                "event_action": "view",
                "page_path": dice.choice([*PAGES, None]),
            }
        case 2:
            action = dice.choice([*ACTIONS, None])
            return {
                "event_type": dice.choice(["user_action", "search"]),
                "event_action": action,
                "page_path": "/",
            }
        case _:
            more = {"feed_id": f"feed {dice.randrange(9)}", "position": 1} if dice.random() < 0.4 else {}
            if dice.random() < 0.7:
                more["duration_seconds"] = dice.randrange(200)
            met = {
                "content_type": dice.choice(["project", "job"]),
                "content_id": f"content {dice.randrange(130)}",
            }
            return {
                "type": "interaction",
                "interaction_type": dice.choice(["view", "view", "save"]),
                **met,
                **more,
            }


def _rows(site: Site) -> list[Row]:
    found = site.rows("SELECT * FROM user_activities ORDER BY created_at, sequence NULLS FIRST, id")
    assert any(row["is_linked"] for row in found)
    assert any(row["is_bot"] for row in found)
    return [
        Row(
            str(row["id"]), row["created_at"], str(row["user_id"] or row["anonymous_id"]),
            (str(row["anonymous_id"] or row["user_id"]), row["anonymous_id"] is None),
            row["session_id"] and str(row["session_id"]),
            row["event_type"], row["event_action"], row["page_path"],
            row["device_type"] or "unknown", row["country"] or "unknown", row["is_bot"], row["sequence"],
        )
        for row in found
    ]  # fmt: skip


def wanted(one: Any, query: Json) -> bool:
    return (
        (query.get("bots") == "true" or not one.is_bot)
        and query.get("device", one.device) == one.device
        and query.get("country", one.country) == one.country
    )


@dataclass
class Visit:
    """A session, as its activities tell it."""

    rows: list[Row]

    @property
    def first(self) -> Row:
        return min(self.rows, key=lambda row: (row.at, row.id))

    @property
    def start(self) -> datetime:
        return self.first.at

    @property
    def lasted(self) -> timedelta:
        return max(row.at for row in self.rows) - self.start

    @property
    def views(self) -> list[Row]:
        return sorted((row for row in self.rows if row.type == "page_view"), key=lambda row: (row.at, row.id))

    @property
    def bounced(self) -> bool:
        return len(self.rows) == len(self.views) == 1 and self.lasted < timedelta(seconds=10)

    @property
    def visitor(self) -> str:
        return self.first.visitor

    @property
    def is_bot(self) -> bool:
        return any(row.is_bot for row in self.rows)

    @property
    def device(self) -> str:
        return self.first.device

    @property
    def country(self) -> str:
        return self.first.country


def visits_of(rows: list[Row]) -> list[Visit]:
    grouped: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        if row.session:
            grouped[row.device_key, row.session].append(row)
    return [Visit(found) for found in grouped.values()]


def day_of(at: datetime, zone: str) -> date:
    return at.astimezone(ZoneInfo(zone)).date()


def within(at: datetime, first: date, last: date, zone: str) -> bool:
    return first <= day_of(at, zone) <= last


FIRST, LAST = date(2026, 10, 16), date(2026, 11, 12)
DAYS = {"from_": "2026-10-16", "to": "2026-11-12"}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("query", FILTERS, ids=str)
class TestActivity:
    def test_by_day(self, busy: Busy, zone: str, query: Json) -> None:
        report = busy.ask(activity, **DAYS, time_zone=zone, **query)
        # Every day of the twenty-eight is there, whether something happened or not.
        days = [FIRST + timedelta(number) for number in range(28)]
        assert [datetime.fromisoformat(point["at"]) for point in report["points"]] == [
            datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) for day in days
        ]
        self.compare(report, busy, query, [lambda at, day=day: day_of(at, zone) == day for day in days])

    def test_by_hour(self, busy: Busy, zone: str, query: Json) -> None:
        report = busy.ask(activity, from_="2026-10-24", to="2026-10-26", by="hour", time_zone=zone, **query)
        starts = [datetime.fromisoformat(point["at"]) for point in report["points"]]
        assert {later - earlier for earlier, later in pairwise(starts)} == {timedelta(hours=1)}
        if zone == "Europe/Berlin":
            assert len(starts) == 73
        end = datetime(2026, 10, 27, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        spans = [*pairwise([*starts, end])]
        self.compare(report, busy, query, [lambda at, span=span: span[0] <= at < span[1] for span in spans])

    def compare(self, report: Json, busy: Busy, query: Json, points: list[Any]) -> None:
        def place(at: datetime) -> int:
            return next((number for number, holds in enumerate(points) if holds(at)), -1)

        types: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(points))
        actions: Counter[tuple[str, str | None]] = Counter()
        for row in busy.rows:
            if wanted(row, query) and (at := place(row.at)) >= 0:
                types[row.type][at] += 1
                actions[row.type, row.action] += 1
        assert {one["event_type"]: one["points"] for one in report["types"]} == types
        assert [point["events"] for point in report["points"]] == [
            sum(counted[number] for counted in types.values()) for number in range(len(points))
        ]
        assert report["events"] == actions.total()
        assert {
            (one["event_type"], one["event_action"]): one["events"] for one in report["actions"]
        } == actions
        came: defaultdict[int, set[str]] = defaultdict(set)
        for visit in visits_of(busy.rows):
            if wanted(visit, query) and (at := place(visit.start)) >= 0:
                came[at].add(visit.visitor)
        assert [point["visitors"] for point in report["points"]] == [
            len(came[at]) for at in range(len(points))
        ]
        assert report["visitors"] == len(set().union(*came.values()))


def test_activity_of_one_type(busy: Busy) -> None:
    report = busy.ask(activity, **DAYS, event_type="search")
    found = [
        row
        for row in busy.rows
        if row.type == "search" and not row.is_bot and within(row.at, FIRST, LAST, "UTC")
    ]
    assert (report["events"], [one["event_type"] for one in report["types"]]) == (len(found), ["search"])
    assert (report["visitors"], {point["visitors"] for point in report["points"]}) == (None, {None})


def test_activity_is_told_as_it_is_before_and_after_it_is_counted(busy: Busy) -> None:
    before = busy.ask(activity, **DAYS, country="DE")
    counted = busy.site.value("SELECT coalesce(sum(events), 0) FROM activity_counts WHERE of_all")
    stale = busy.site.value("SELECT sum(events) FROM live_counts") - counted
    assert stale > 0
    busy.site.connection.execute("DELETE FROM analysis_state WHERE task = 'counts'")
    assert counts.learn(busy.site.learner, NOW, lambda: True)
    # Of all and by device and country.
    for of_all in (True, False):
        assert busy.site.value("SELECT sum(events) FROM activity_counts WHERE of_all = %s", of_all) == len(
            busy.rows
        )
    assert busy.ask(activity, **DAYS, country="DE") == before
    assert not counts.learn(busy.site.learner, NOW, lambda: True)


@pytest.mark.parametrize("zone", ZONES[:3])
@pytest.mark.parametrize("query", FILTERS, ids=str)
def test_sessions(busy: Busy, zone: str, query: Json) -> None:
    report = busy.ask(sessions, **DAYS, time_zone=zone, **query)
    visits = [
        visit
        for visit in visits_of(busy.rows)
        if wanted(visit, query) and within(visit.start, FIRST, LAST, zone)
    ]
    seconds = [round_half_up(visit.lasted) for visit in visits]
    assert report["sessions"] == len(visits) > 0
    assert report["visitors"] == len({visit.visitor for visit in visits})
    assert report["bounces"] == sum(visit.bounced for visit in visits)
    assert report["bounce_rate"] == pytest.approx(report["bounces"] / len(visits), abs=1e-4)
    assert report["median_seconds"] == statistics.median(seconds)
    assert report["mean_seconds"] == pytest.approx(statistics.mean(seconds), abs=1e-3)
    assert report["page_views_per_session"] == pytest.approx(
        statistics.mean(len(visit.views) for visit in visits), abs=1e-3
    )
    for number, said in enumerate(report["days"]):
        day = FIRST + timedelta(number)
        begun = [visit for visit in visits if day_of(visit.start, zone) == day]
        assert (said["at"], said["sessions"]) == (f"{day}", len(begun))
        assert said["median_seconds"] == (
            statistics.median(round_half_up(visit.lasted) for visit in begun) if begun else None
        )
    assert len(report["days"]) == 28
    assert [one["sessions"] for one in report["lengths"]] == [
        sum(low <= second < high for second in seconds) for low, high in pairwise([*LENGTHS, 10**9])
    ]
    landed = [visit.views[0].page for visit in visits if visit.views and visit.views[0].page]
    left = [visit.views[-1].page for visit in visits if visit.views and visit.views[-1].page]
    assert {one["page_path"]: one["sessions"] for one in report["landing_pages"]} == Counter(landed)
    assert {one["page_path"]: one["sessions"] for one in report["exit_pages"]} == Counter(left)
    for one in report["landing_pages"]:
        here = [visit.bounced for visit in visits if visit.views and visit.views[0].page == one["page_path"]]
        assert one["bounce_rate"] == pytest.approx(statistics.mean(here), abs=1e-4)


def round_half_up(lasted: timedelta) -> int:
    return int(lasted / timedelta(seconds=1) + 0.5)


FUNNELS = (
    ("page:/", "page:/pricing"),
    ("page:/projects*", "action:sign_up", "type:search"),
    ("type:page_view", "type:page_view", "type:page_view", "type:page_view"),
    ("content:project/view", "type:content_interaction", "content:project/save"),
    ("action:follow", "page:/projects/1", "content:job/view", "page:/", "type:search"),
    ("page:/projects_1", "page:/"),
    ("action:nothing", "page:/"),
)


@pytest.mark.parametrize("query", FILTERS[:5], ids=str)
@pytest.mark.parametrize("hours", [1, 168, 2160])
@pytest.mark.parametrize("steps", FUNNELS, ids=" ".join)
def test_funnel(busy: Busy, steps: tuple[str, ...], hours: int, query: Json) -> None:
    report = busy.ask(funnel, steps, **DAYS, within_hours=str(hours), **query)
    contents = {
        str(one["id"]): f"{one['content_type']}/{one['interaction_type']}" for one in busy.interactions
    }
    reached: list[dict[str, float]] = [{} for _ in steps]
    journeys: defaultdict[str, list[Row]] = defaultdict(list)
    for row in busy.rows:
        if wanted(row, query) and within(row.at, FIRST, LAST, "UTC"):
            journeys[row.visitor].append(row)
    for visitor, rows in journeys.items():
        rows.sort(key=lambda row: (row.at, row.id))
        for place, waits in enumerate(waits_of(rows, steps, contents, timedelta(hours=hours))):
            if waits is not None:
                reached[place][visitor] = waits
    assert [one["visitors"] for one in report["steps"]] == [len(found) for found in reached]
    for place, one in enumerate(report["steps"]):
        assert one["step"] == steps[place]
        took = list(reached[place].values())
        assert one["median_seconds_from_previous"] == (
            pytest.approx(statistics.median(took)) if place and took else None
        )
        first, previous = len(reached[0]), len(reached[place - 1])
        assert one["share_of_first"] == (pytest.approx(len(took) / first, abs=1e-4) if first else None)
        assert one["share_of_previous"] == (
            pytest.approx(len(took) / previous, abs=1e-4) if place and previous else None
        )


def waits_of(
    rows: list[Row], steps: tuple[str, ...], contents: dict[str, str], window: timedelta
) -> Iterator[float | None]:
    """Of each step that is reached in time, seconds from the step before to the first time at it."""
    ways: list[tuple[int, datetime, datetime]] = [
        (number, row.at, row.at) for number, row in enumerate(rows) if takes(row, steps[0], contents)
    ]
    yield 0.0 if ways else None
    for step in steps[1:]:
        # Every way on from every way so far.
        further = [
            (number, row.at, begun, at)
            for number, row in enumerate(rows)
            if takes(row, step, contents)
            for before, at, begun in ways
            if before < number and row.at - begun <= window
        ]
        if not further:
            yield None
            ways = []
            continue
        first = min(number for number, *_ in further)
        yield min((now - at).total_seconds() for number, now, _, at in further if number == first)
        best: dict[int, tuple[int, datetime, datetime]] = {}
        for number, now, begun, _ in further:
            if number not in best or best[number][2] < begun:
                best[number] = (number, now, begun)
        ways = list(best.values())


def takes(row: Row, step: str, contents: dict[str, str]) -> bool:
    kind, _, name = step.partition(":")
    match kind:
        case "page":
            path = row.page if row.type == "page_view" else None
            return path is not None and (path.startswith(name[:-1]) if name.endswith("*") else path == name)
        case "action":
            return row.action == name
        case "type":
            return row.type == name
        case _:
            return contents.get(row.id) == name


@pytest.mark.parametrize("by", ["day", "week"])
@pytest.mark.parametrize("zone", ZONES[:4])
@pytest.mark.parametrize("query", FILTERS, ids=str)
def test_retention(busy: Busy, by: str, zone: str, query: Json) -> None:
    report = busy.ask(retention, from_="2026-10-16", to="2026-11-11", by=by, time_zone=zone, **query)
    length = 7 if by == "week" else 1

    def period(day: date) -> date:
        return day - timedelta(day.weekday()) if by == "week" else day

    came: defaultdict[str, set[date]] = defaultdict(set)
    for visit in visits_of(busy.rows):
        if wanted(visit, query) and day_of(visit.start, zone) <= date(2026, 11, 11):
            came[visit.visitor].add(period(day_of(visit.start, zone)))
    cohorts: defaultdict[date, list[set[date]]] = defaultdict(list)
    for periods in came.values():
        cohorts[min(periods)].append(periods)
    cohorts = defaultdict(list, {day: of for day, of in cohorts.items() if day >= period(FIRST)})
    assert [one["at"] for one in report["cohorts"]] == [f"{day}" for day in sorted(cohorts)]
    for one in report["cohorts"]:
        day = date.fromisoformat(one["at"])
        assert one["visitors"] == len(cohorts[day])
        later = [day + timedelta(length * number) for number in range(len(one["returned"]))]
        assert later[-1] <= date(2026, 11, 11) < later[-1] + timedelta(length)
        for back, returned in zip(later, one["returned"], strict=True):
            # The whole period must have been.
            is_over = back + timedelta(length - 1) <= min(
                date(2026, 11, 11), day_of(NOW, zone) - timedelta(1)
            )
            assert returned == (sum(back in periods for periods in cohorts[day]) if is_over else None)


def name_of(row: Row) -> str:
    return (row.page if row.type == "page_view" else None) or row.action or row.type


@pytest.mark.parametrize("most_names", [3, 100])
@pytest.mark.parametrize("start", [None, "/", "sign_up"])
@pytest.mark.parametrize("query", FILTERS[:4], ids=str)
def test_paths(
    busy: Busy, start: str | None, query: Json, most_names: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths_module, "MOST_NAMES", most_names)
    report = busy.ask(paths, **DAYS, depth="3", **({"start": start} if start else {}), **query)
    walks = []
    for visit in visits_of(busy.rows):
        if wanted(visit, query) and within(visit.start, FIRST, LAST, "UTC"):
            ordered = sorted(
                visit.rows, key=lambda row: (row.at, -1 if row.sequence is None else row.sequence, row.id)
            )
            names = [
                (row.page if row.type == "page_view" else None) or row.action or row.type for row in ordered
            ]
            if start is None or start in names:
                walks.append([*names[names.index(start) if start else 0 :], "(end)"])
    at_step = [
        Counter(walk[step] for walk in walks if len(walk) > step and walk[step] != "(end)")
        for step in range(3)
    ]
    kept = [
        {name for name, _ in sorted(counted.items(), key=lambda one: (-one[1], one[0]))[:most_names]}
        for counted in at_step
    ]
    links: Counter[tuple[int, str, str]] = Counter()
    nodes: Counter[tuple[int, str]] = Counter()
    for walk in walks:
        folded = [
            name if name == "(end)" or name in kept[step] else "other" for step, name in enumerate(walk[:3])
        ]
        for step, name in enumerate(folded):
            nodes[step, name] += 1
        for step, (one, following) in enumerate(pairwise(folded)):
            links[step, one, following] += 1
    assert {(one["step"], one["from"], one["to"]): one["visits"] for one in report["links"]} == links
    assert {(one["step"], one["name"]): one["visits"] for one in report["nodes"]} == nodes
    assert (report["sessions"], report["is_sample"]) == (len(walks), False)


def test_paths_of_too_many_sessions_are_those_of_the_latest(
    busy: Busy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths_module, "MOST_SESSIONS", 5)
    report = busy.ask(paths, **DAYS)
    assert (report["sessions"], report["is_sample"]) == (5, True)
    latest = sorted(
        (visit for visit in visits_of(busy.rows) if not visit.is_bot), key=lambda visit: visit.start
    )[-5:]
    assert sum(one["visits"] for one in report["nodes"] if one["step"] == 0) == 5
    firsts = {name_of(row) for visit in latest for row in visit.rows if row.at == visit.start}
    assert {one["name"] for one in report["nodes"] if one["step"] == 0} <= firsts


@pytest.mark.parametrize("kind", [None, "job"])
@pytest.mark.parametrize("query", FILTERS, ids=str)
def test_content(busy: Busy, kind: str | None, query: Json) -> None:
    report = busy.ask(content, **DAYS, **({"content_type": kind} if kind else {}), **query)
    by_id = {row.id: row for row in busy.rows}
    met: defaultdict[tuple[str, str], list[Json]] = defaultdict(list)
    for one in busy.interactions:
        said = by_id[str(one["id"])]
        if (
            wanted(said, query)
            and within(said.at, FIRST, LAST, "UTC")
            and one["content_type"] == (kind or one["content_type"])
        ):
            met[one["content_type"], str(one["content_id"])].append(one)
    order = sorted(met, key=lambda key: (-len(met[key]), key))[:100]
    names = {
        str(row["id"]): row["external_id"]
        for row in busy.site.rows("SELECT id, external_id FROM external_ids")
    }
    sights = Counter(
        (row["content_type"], str(row["content_id"]))
        for row in busy.site.rows("SELECT * FROM impressions")
        if within(row["shown_at"], FIRST, LAST, "UTC")
    )
    assert len(order) > (0 if query else 20)
    assert [(one["content_type"], one["content_id"]) for one in report["items"]] == [
        (key[0], names[key[1]]) for key in order
    ]
    for one, key in zip(report["items"], order, strict=True):
        found = met[key]
        dwell = [
            interaction["duration_seconds"]
            for interaction in found
            if interaction["duration_seconds"] is not None
        ]
        assert one["interactions"] == len(found)
        assert one["views"] == sum(interaction["interaction_type"] == "view" for interaction in found)
        assert one["visitors"] == len(
            {interaction["user_id"] or interaction["anonymous_id"] for interaction in found}
        )
        scores = [float(interaction["engagement_score"]) for interaction in found]
        assert one["engagement"] == pytest.approx(statistics.mean(scores), abs=1e-4)
        assert one["mean_seconds"] == (pytest.approx(statistics.mean(dwell), abs=1e-4) if dwell else None)
        assert one["shown"] == sights[key]
        assert one["clicked"] == len({interaction["feed_id"] for interaction in found} - {None})
