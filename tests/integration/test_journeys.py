"""Journeys: learned by analyze from visits, predicted by recommend from the visit that goes on."""

import csv
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import pytest

from footfall.database import Database, connect
from footfall.errors import DatabaseUnavailableError
from footfall.journeys import RARE, START, context_of
from footfall.journeys import learn as learn_in_python
from functions.analyze import handler, journeys, learning
from functions.recommend.journeys import visit_of
from local.evaluation.visits import read
from local.postgres.roles import let_in
from tests.asking import INSIGHTS, answering, told
from tests.samples import load
from tests.site import Json, Site, by_a_bot, does, is_told, meets, there_is

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
NOTHING: Json = {"journey": [], "journey_basis": {"enough": False, "sessions": 0, "after": []}}
# Each visit begins later than the one before.
BEGIN = NOW - 20 * HOUR


@pytest.fixture
def site(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with answering(database_url, monkeypatch) as site:
        yield site


def visit(session: str, begins: datetime, *actions: str, user: str | None = None) -> list[Json]:
    """One visit of a user's device, a second an action; `page` is a page view."""
    return [
        does(
            user or session,
            begins + number * SECOND,
            *(("page_view", "view") if action == "page" else ("user_action", action)),
            session_id=session,
            anonymous_id=f"device of {user or session}",
            sequence=number,
        )
        for number, action in enumerate(actions)
    ]


def shop(visits: int, begins: datetime = BEGIN, then: str = "buy") -> list[Json]:
    """Visits in which a search is followed by a purchase three times of four."""
    ends = [*[then] * 3, "leave"]
    return [
        event
        for number in range(visits)
        for event in visit(f"{begins} {number}", begins + number * MINUTE, "page", "search", ends[number % 4])
    ]


def learn(site: Site, at: datetime = NOW) -> bool:
    return journeys.learn(site.learner, at)


def table(site: Site) -> dict[tuple[str, ...], dict[str, int]]:
    found = site.rows("SELECT * FROM journey_contexts")
    return {tuple(row["context"]): dict(zip(row["symbols"], row["counts"], strict=True)) for row in found}


def journey(user: str) -> Json:
    return {key: value for key, value in told(INSIGHTS, user).items() if key.startswith("journey")}


def actions(user: str) -> list[str]:
    return [one["action"] for one in journey(user)["journey"]]


def _ago(minutes: int) -> datetime:
    """By the clock that recommend reads, however long the tests before took."""
    return datetime.now(UTC) - minutes * MINUTE


class TestAnswers:
    def test_are_what_followed_in_everybodys_visits(self, site: Site) -> None:
        site.send(*shop(40), at=NOW)
        assert learn(site)
        site.send(*visit("now", _ago(1), "page", "search", user="ada"), at=NOW)
        found = journey("ada")
        assert [one["action"] for one in found["journey"]] == [
            "user_action:buy",
            "user_action:leave",
            "page_view",
        ]
        assert [one["probability"] for one in found["journey"]] == pytest.approx([0.73, 0.24, 0.02], abs=0.01)
        after = ["page_view", "search"]
        assert found["journey_basis"] == {"enough": True, "sessions": 40, "after": after}

    def test_count_what_was_done_a_moment_ago(self, site: Site) -> None:
        site.send(*shop(40), at=NOW)
        learn(site)
        for done, expected in (
            (["page"], "search"),
            (["page", "search"], "user_action:buy"),
            (["page", "search", "leave", "page"], "search"),
        ):
            site.send(*visit(f"visit of {done}", _ago(1) + len(done) * SECOND, *done, user="ada"), at=NOW)
            assert actions("ada")[0] == expected

    def test_are_of_the_next_visit_after_a_silence(self, site: Site) -> None:
        site.send(*shop(40), at=NOW)
        learn(site)
        site.send(*visit("now", _ago(29), "page", user="ada"), at=NOW)
        site.send(*visit("then", _ago(31), "page", user="grace"), at=NOW)
        assert journey("ada")["journey_basis"]["after"] == ["page_view"]
        assert actions("ada")[0] == "search"
        assert journey("grace")["journey_basis"] == {"enough": True, "sessions": 40, "after": []}
        assert actions("grace")[0] == "page_view"

    def test_are_of_the_visit_that_goes_on_and_no_other(self, site: Site) -> None:
        """One at a desk and one at a phone, of one user, in turns."""
        site.send(*shop(40), at=NOW)
        learn(site)
        desk, phone = (
            [{**event, "anonymous_id": device} for event in visit("same id", _ago(1), *done, user="ada")]
            for device, done in (("desk", ["page", "leave"]), ("phone", ["page", "search"]))
        )
        site.send(desk[0], *({**event, "created_at": _later(event)} for event in phone), at=NOW)
        site.send({**desk[1], "created_at": _later(desk[1], 0.2)}, at=NOW)
        assert journey("ada")["journey_basis"]["after"] == ["page_view", "search"]

    def test_fall_back_where_nobody_went_that_way(self, site: Site) -> None:
        site.send(*shop(40), at=NOW)
        learn(site)
        site.send(*visit("now", _ago(1), "never seen", "search", user="ada"), at=NOW)
        assert journey("ada")["journey_basis"]["after"] == ["search"]
        site.send(*visit("new", _ago(1) + 5 * SECOND, "search", "never seen", user="ada"), at=NOW)
        assert journey("ada")["journey_basis"]["after"] == []
        assert len(actions("ada")) == 3

    def test_are_as_many_as_there_are(self, site: Site) -> None:
        site.send(*(one for n in range(25) for one in visit(f"visitor {n}", BEGIN, "page", "page")), at=NOW)
        learn(site)
        assert journey("visitor 0")["journey"] == [{"action": "page_view", "probability": 1.0}]


def _later(event: Json, seconds: float = 0.5) -> str:
    return (datetime.fromisoformat(event["created_at"]) + seconds * SECOND).isoformat()


class TestHonesty:
    def test_in_an_empty_database(self, site: Site) -> None:
        assert journey("nobody") == NOTHING
        assert learn(site)
        assert journey("nobody") == NOTHING

    @pytest.mark.parametrize("learned_from", [0, 19, 20])
    def test_of_strangers_one_click_and_bots(self, site: Site, learned_from: int) -> None:
        site.send(
            *shop(learned_from),
            meets("one click", "a", NOW, "click"),
            by_a_bot(meets("bot", "a", NOW)),
            by_a_bot(does("bot", NOW)),
            is_told("silent", NOW, plan="team"),
            there_is("b", NOW, "job", title="Welder"),
            at=NOW,
        )
        learn(site)
        basis = {"enough": False, "sessions": learned_from, "after": []}
        for user in ("stranger", "bot", "silent"):
            assert journey(user) == {"journey": [], "journey_basis": basis}
        enough = learned_from >= 20
        assert journey("one click")["journey_basis"] == basis | {"enough": enough}
        # The click is of no visit, so the next activity begins one.
        assert actions("one click")[:1] == (["page_view"] if enough else [])

    def test_before_anything_was_learned(self, site: Site) -> None:
        site.send(*visit("now", _ago(1), "page", user="ada"), at=NOW)
        assert journey("ada") == NOTHING


class TestSymbols:
    @pytest.mark.parametrize(
        ("event_type", "action", "symbol"),
        [
            ("page_view", "view", "page_view"),
            ("page_view", None, "page_view"),
            ("user_action", "search", "search"),
            ("search", "typed", "search"),
            ("user_action", "send_message", "user_action:send_message"),
            ("user_action", None, "user_action"),
            ("user_action", " ", "user_action"),
            ("content_interaction", "view_project", "content_interaction:view_project"),
            ("group", "group-4711", "group"),
            ("alias", "somebody", "alias"),
            ("signup", "signup", "signup"),
            ("x" * 100, "y" * 100, "x" * 100 + ":" + "y" * 49),
        ],
    )
    def test_say_what_a_reader_wants_to_know(
        self, site: Site, event_type: str, action: str | None, symbol: str
    ) -> None:
        assert site.value("SELECT journey_symbol(%s, %s)", event_type, action) == symbol

    def test_of_any_text_are_kept_as_they_are(self, site: Site) -> None:
        odd = ['"', "\\", "{a,b}", "NULL", "a, b", "\\\\n", "'", "ü", "%s", "a:b", "{}"]
        site.send(*(one for n in range(25) for one in visit(f"visitor {n}", BEGIN, *odd)), at=NOW)
        learn(site)
        expected = [f"user_action:{action}" for action in odd]
        assert table(site)["", expected[0]] == {expected[1]: 25}
        assert set(table(site)[()]) == set(expected)

    def test_are_stored_however_long(self, site: Site) -> None:
        """The longest key that there may be, of characters that take four bytes each and don't compress."""
        source = random.Random(5)
        long = ["".join(chr(source.randrange(0x1F300, 0x1F5FF)) for _ in range(100)) for _ in range(4)]
        visits = [
            one for n in range(100) for one in visit(f"visitor {n}", BEGIN + n * MINUTE, *_shuffled(long, n))
        ]
        site.send(*visits, at=NOW)
        assert learn(site)
        assert max(map(len, table(site))) > 1


def _shuffled(texts: Sequence[str], seed: int) -> list[str]:
    return random.Random(seed).choices(texts, k=12)


class TestAgainstTheEvaluation:
    @pytest.fixture
    def events(self, tmp_path: Path) -> list[Json]:
        """Random visits with ties, and the same as a CSV."""
        source = random.Random(7)
        events, rows = [], []
        for number in range(120):
            begins = BEGIN + number * 5 * MINUTE
            for place in range(source.randrange(1, 9)):
                # Several in one millisecond, which only the tracker's counter orders.
                at = begins + place // 3 * SECOND
                action = source.choice("abcdefgh")
                session = f"session {number // 2}"
                said: Json = {
                    "session_id": session,
                    "anonymous_id": f"device {number % 2}",
                    "sequence": place,
                }
                events.append(does(f"user {number % 5}", at, "user_action", action, **said))
                rows.append((f"{number % 2} {session}", f"user_action:{action}", at.isoformat()))
        with (tmp_path / "data.csv").open("w") as file:
            csv.writer(file).writerows([("session_id", "symbol", "created_at"), *rows])
        return events

    @pytest.mark.parametrize("seed", [1, 2])
    def test_the_same_is_counted_and_predicted(
        self, site: Site, events: list[Json], tmp_path: Path, seed: int
    ) -> None:
        late = random.Random(seed).sample(events, len(events))
        for part in (late[:100], late[100:]):
            site.send(*part, by_a_bot(visit("bot", BEGIN, "a", "b")[0]), at=NOW)
        assert learn(site)
        visits = [visit.symbols for visit in read(tmp_path / "data.csv")]
        expected = learn_in_python(visits)
        assert table(site) == expected.table
        for number, done in enumerate(visits[-20:]):
            begun = [symbol.partition(":")[2] for symbol in done]
            site.send(*visit(f"again {number}", _ago(1), *begun, user=f"again {number}"), at=NOW)
            found = [(one["action"], one["probability"]) for one in journey(f"again {number}")["journey"]]
            assert found == [(one.action, round(one.probability, 4)) for one in expected.predict(done)]


class TestLearning:
    def test_waits_where_nothing_is_new(self, site: Site) -> None:
        site.send(*shop(20), at=NOW)
        assert learn(site)
        assert not learn(site, NOW + HOUR)
        assert site.value("SELECT learned_at FROM journey_model") == NOW
        site.send(*visit("late", BEGIN, "page", "search", "late"), at=NOW)
        assert learn(site, NOW + HOUR)
        assert "user_action:late" in table(site)[()]

    def test_waits_the_longer_the_more_there_is(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(journeys, "MOST_ACTIVITIES", 120)
        site.send(*shop(20), at=NOW)
        assert learn(site)
        site.send(*shop(1, NOW - HOUR), at=NOW)
        assert not learn(site, NOW + 29 * MINUTE)
        assert learn(site, NOW + 31 * MINUTE)

    def test_leaves_out_bots_and_what_is_of_no_visit(self, site: Site) -> None:
        site.send(*map(by_a_bot, shop(5)), does("ada", NOW, "user_action", "alone"), at=NOW)
        learn(site)
        assert table(site) == {}
        assert site.value("SELECT visits FROM journey_model") == 0

    def test_forgets_what_is_older_than_the_window(self, site: Site) -> None:
        site.send(*shop(20, NOW - 2 * DAY, then="old"), at=NOW)
        site.send(*shop(4), at=NOW)
        learn(site)
        assert "user_action:old" in table(site)[()]
        later = NOW + 29 * DAY
        assert learn(site, later)
        assert set(table(site)[()]) == {"page_view", "search", "user_action:buy", "user_action:leave"}
        assert learn(site, later + 30 * DAY)
        assert table(site) == {}

    def test_takes_the_latest_visits_and_takes_them_whole(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(journeys, "MOST_ACTIVITIES", 8)
        monkeypatch.setattr(journeys, "MOST_OF_ONE_VISIT", 4)
        site.send(*visit("crawls", _ago(1), *"abcde"), at=NOW)
        for number, steps in enumerate(("xyz", "pqr", "stu")):
            site.send(*visit(steps, BEGIN + number * HOUR, *steps), at=NOW)
        learn(site)
        assert table(site)[START,] == {"user_action:p": 1, "user_action:s": 1}
        assert set(table(site)[()]) == {f"user_action:{step}" for step in "pqrstu"}

    def test_folds_what_is_rare(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(journeys, "MOST_SYMBOLS", 2)
        site.send(*shop(40), at=NOW)
        learn(site)
        assert set(table(site)[()]) == {"page_view", "search", RARE}
        assert set(actions("nobody")) == set()
        site.send(*visit("now", _ago(1), "page", "search", user="ada"), at=NOW)
        assert set(actions("ada")) == {"page_view", "search"}


class TestCrash:
    def test_leaves_what_was_there(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        site.send(*shop(20), at=NOW)
        learn(site)
        before = table(site)
        site.send(*shop(20, BEGIN + 5 * HOUR, then="steal"), at=NOW)
        chunks = journeys._chunks

        def killed(rows: Any) -> Iterator[Any]:
            first, *_ = chunks(rows)
            yield first[:1]
            site.connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            yield first[1:]

        monkeypatch.setattr(journeys, "_chunks", killed)
        with pytest.raises(DatabaseUnavailableError):
            learn(site, NOW + MINUTE)
        assert table(site) == before
        monkeypatch.setattr(journeys, "_chunks", chunks)
        # The lock went with the connection.
        assert learn(site, NOW + 2 * MINUTE)
        assert "user_action:steal" in table(site)[()]

    def test_a_large_model_is_kept_in_parts(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        site.send(*shop(20), at=NOW)
        learn(site)
        whole = table(site)
        site.connection.execute("DELETE FROM journey_model; DELETE FROM journey_contexts")
        monkeypatch.setattr(journeys, "CHUNK", 2)
        learn(site)
        assert table(site) == whole

    def test_a_second_run_beside_one_does_nothing(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        site.send(*shop(20), at=NOW)
        beside = Database(let_in(site.url, "footfall_analyze"), learning.QUERIES)
        seen: list[bool] = []

        def meanwhile(*known: Any) -> Any:
            seen.append(journeys.learn(beside, NOW))
            return learn_in_python(*known)

        monkeypatch.setattr("footfall.journeys.learn", meanwhile)
        assert learn(site)
        assert seen == [False]
        beside.close()


class TestHandler:
    @pytest.fixture
    def site(self, database_url: str) -> Iterator[Site]:
        with Site(database_url) as site:
            yield site

    @pytest.fixture(autouse=True)
    def environment(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("DATABASE_URL", let_in(database_url, "footfall_analyze"))
        monkeypatch.setenv("SHARDS", "2")
        handler._database.cache_clear()
        yield
        handler._database().close()
        handler._database.cache_clear()

    @pytest.fixture
    def context(self) -> Any:
        class Context:
            @staticmethod
            def get_remaining_time_in_millis() -> int:
                return 300_000

        return Context()

    def test_learns_journeys_by_their_own_schedule(self, site: Site, context: Any) -> None:
        site.send(*shop(20), at=NOW)
        assert handler.lambda_handler(load("analyze_journeys"), context) == {"learned": True}
        assert handler.lambda_handler(load("analyze_journeys"), context) == {"learned": False}
        assert site.rows("SELECT FROM suggestions") == []

    def test_learns_them_with_all_else_but_not_with_a_shard(self, site: Site, context: Any) -> None:
        site.send(*shop(20), at=NOW)
        handler.lambda_handler({"shard": 0}, context)
        assert table(site) == {}
        assert handler.lambda_handler({}, context)["finished"]
        assert table(site) != {}


def scans(plan: Json) -> Iterator[Json]:
    """The nodes of a plan that read a table other than the model's one row."""
    if "Scan" in plan["Node Type"] and plan.get("Relation Name") != "journey_model":
        yield plan
    for part in plan.get("Plans", []):
        yield from scans(part)


FILL: LiteralString = """
INSERT INTO journey_contexts
SELECT ARRAY['symbol ' || n % 300, 'symbol ' || n / 300 % 300, 'symbol ' || n / 90000],
       array_agg('symbol ' || n * 7 + m), array_agg(m)
FROM generate_series(1, 100000) AS n, generate_series(1, 3) AS m
GROUP BY n
"""
KNOW: LiteralString = """
UPDATE journey_contexts SET
    symbols = symbols || ARRAY(SELECT 'symbol ' || n FROM generate_series(0, 999) AS n),
    counts = counts || array_fill(1, ARRAY[1000])
WHERE context = '{}'
"""


def test_a_prediction_reads_a_few_contexts_of_many(site: Site) -> None:
    from functions.recommend.handler import QUERIES

    site.send(*shop(20), at=NOW)
    learn(site)
    site.connection.execute(FILL)
    site.connection.execute(KNOW)
    site.connection.execute("ANALYZE journey_contexts")
    context = list(context_of(["symbol 7", "symbol 8", "symbol 0"]))
    for mode in ("force_custom_plan", "force_generic_plan"):
        with connect(site.url) as connection:
            connection.execute(f"SET plan_cache_mode = {mode}".encode())
            explain = b"EXPLAIN (ANALYZE, FORMAT JSON) " + QUERIES["journey"].encode()
            [row] = connection.execute(explain, {"context": context}, prepare=True).fetchall()
        [[plan]] = row.values()
        ways = {node.get("Index Name", node["Node Type"]) for node in scans(plan["Plan"])}
        assert ways == {"journey_contexts_pkey", "Function Scan", "CTE Scan"}, mode
        assert plan["Execution Time"] < 50


def test_what_a_visit_is() -> None:
    def row(symbol: str, minutes: int, session: str | None = "s", visitor: str = "v") -> Json:
        return {
            "symbol": symbol,
            "created_at": NOW - minutes * MINUTE,
            "session_id": session,
            "visitor_id": visitor,
            "visitor_is_user": False,
        }

    assert visit_of([], NOW) == []
    assert visit_of([row("b", 1), row("a", 2)], NOW) == ["a", "b"]
    assert visit_of([row("b", 31), row("a", 32)], NOW) == []
    # A silence in the middle is the client's to judge: it is the same session.
    assert visit_of([row("b", 1), row("a", 300)], NOW) == ["a", "b"]
    assert visit_of([row("c", 1, None), row("b", 2), row("a", 3, "t"), row("a", 4)], NOW) == ["a", "b"]
    assert visit_of([row("b", 1, visitor="w"), row("a", 2)], NOW) == ["b"]
    assert visit_of([row("a", 1, None)], NOW) == []
    # A clock that is ahead.
    assert visit_of([row("a", -600)], NOW) == ["a"]
