"""Shards of analyze: beside each other, each user in one of them, whatever their number was before."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid1

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from footfall.database import Database, connect
from footfall.errors import BadRequestError, DatabaseUnavailableError
from footfall.telemetry import counting
from functions.analyze import handler, learning
from functions.analyze.alone import USERS
from functions.analyze.learning import END, Run
from functions.analyze.shards import Shard, all_shards
from tests.integration.learning_runs import FAR, HOUR, NOW, forget, held_up, learned, tables, times
from tests.integration.waiting import until
from tests.integration.waking import waking
from tests.metrics import Measured, measured
from tests.samples import load
from tests.site import Json, Site, does, meets, user_id

NUMBER = 4
ANALYZE = (("function_name", "none"), ("service", "analyze"))
UNITS = {"Lag": "Seconds", "UsersLearned": "Count"}
PEOPLE = [f"user {number}" for number in range(24)]
EVERYONE = {user_id(user) for user in PEOPLE}

WRITE_PROFILES = """
INSERT INTO profiles (id, created_at, first_seen_at, last_seen_at, touched_by)
SELECT unnest(%s::uuid[]), now(), now(), now(), pg_current_xact_id()
"""
WRITE_EXPIRED = """
INSERT INTO user_preferences (user_id, preference_key, preference_value, confidence_score, source, expires_at)
SELECT unnest(%s::uuid[]), 'content_type:job', '{}', 0.5, 'inferred', '-infinity'
"""


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    with Site(database_url) as site:
        yield site


@pytest.fixture
def crowd(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Users of every shard, each touched by a transaction of its own, learned by small chunks."""
    monkeypatch.setattr(learning, "CHUNK", 2)
    for number, user in enumerate(PEOPLE):
        events = (
            meets(user, f"c {n}", NOW - number * HOUR, "like", f"kind {n % 3}") for n in range(number % 5 + 1)
        )
        site.send(*events, at=NOW)
    return site


def shards_hold(site: Site, of: int) -> list[tuple[set[str], set[str]]]:
    """Whom each shard finds touched, and whom it finds expired."""

    def ask(shard: Shard) -> tuple[set[str], set[str]]:
        part: Json = {"shard": shard.number, "shards": shard.of}
        scan: Json = {"watermark": "0", "until": END, "after_touch": "0", "after_user": learning.NOBODY}
        touched = site.learner.run(lambda t: t.all("touched_users", limit=10_000, **part, **scan))
        expired = site.learner.run(
            lambda t: t.all("expired_users", now=NOW, day=NOW.date(), limit=10_000, **part)
        )
        return {str(row["user_id"]) for row in touched if row["is_own"]}, {
            str(row["user_id"]) for row in expired
        }

    return [ask(shard) for shard in all_shards(of)]


def noted(site: Site) -> list[str]:
    return [row["task"] for row in site.rows("SELECT task FROM analysis_state ORDER BY task")]


def tasks(of: int) -> list[str]:
    return ["content", "trends", *(shard.task for shard in all_shards(of))]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.sets(st.uuids(), max_size=30), of=st.integers(1, 12) | st.just(256))
def test_hold_everyone_and_nobody_twice(site: Site, ids: set[UUID], of: int) -> None:
    for table, write in (("profiles", WRITE_PROFILES), ("user_preferences", WRITE_EXPIRED)):
        site.connection.execute(f"TRUNCATE {table}".encode())
        site.connection.execute(write.encode(), [list(ids)])
    held = shards_hold(site, of)
    everyone = sorted(map(str, ids))
    assert sorted(user for touched, _ in held for user in touched) == everyone
    assert all(touched == expired for touched, expired in held), "learned and forgotten by the same shard"


@pytest.mark.parametrize(
    "ids",
    [
        [UUID(int=number) for number in range(2_000)],
        [UUID(int=number << 64) for number in range(2_000)],
        [uuid1(node=7, clock_seq=7) for _ in range(2_000)],
    ],
    ids=["count at the end", "count at the front", "of one machine"],
)
def test_share_users_evenly_however_their_ids_were_made(site: Site, ids: list[UUID]) -> None:
    site.connection.execute(WRITE_PROFILES.encode(), [ids])
    sizes = [len(touched) for touched, _ in shards_hold(site, NUMBER)]
    assert sum(sizes) == 2_000
    assert min(sizes) > 400, sizes


def test_beside_each_other_learn_what_one_run_does(crowd: Site) -> None:
    # What suggestions count is there before either begins.
    crowd.analyze(NOW, times(0))
    whole = crowd.analyze(NOW)
    assert whole == Run(len(PEOPLE), finished=True)
    expected = tables(crowd)
    forget(crowd)
    crowd.analyze(NOW, times(0))

    together = threading.Barrier(NUMBER)

    def run(shard: Shard) -> Run:
        database = Database(crowd.url, learning.QUERIES)
        # All hold their locks before any goes on.
        begun: list[int] = []

        def has_time() -> bool:
            if not begun:
                together.wait(30)
            begun.append(1)
            return True

        try:
            return learning.analyze(database, [shard], NOW, has_time)
        finally:
            database.close()

    with ThreadPoolExecutor(NUMBER) as threads:
        runs = list(threads.map(run, all_shards(NUMBER)))
    assert all(run.finished and run.users for run in runs), runs
    assert sum(run.users for run in runs) == len(PEOPLE)
    assert tables(crowd) == expected


def test_one_after_the_other_learn_what_one_run_does(crowd: Site) -> None:
    assert crowd.analyze(NOW) == Run(len(PEOPLE), finished=True)
    expected = tables(crowd)
    forget(crowd)
    assert crowd.analyze(NOW, lambda: True, *all_shards(NUMBER)) == Run(len(PEOPLE), finished=True)
    assert tables(crowd) == expected


@pytest.mark.parametrize("number", range(NUMBER))
def test_each_misses_nobody_who_commits_late(crowd: Site, number: int) -> None:
    """While it is away, while it runs, and after it has begun."""
    shard = Shard(number, NUMBER)
    newcomers = [f"newcomer {n}" for n in range(40)]
    crowd.connection.execute(WRITE_PROFILES.encode(), [[user_id(name) for name in newcomers]])
    own = shards_hold(crowd, NUMBER)[number][0]
    crowd.connection.execute(
        "DELETE FROM profiles WHERE id = ANY (%s)", [[user_id(name) for name in newcomers]]
    )
    late = next(name for name in newcomers if user_id(name) in own)
    with held_up(crowd, meets(late, "a", NOW)) as release:
        crowd.value("SELECT pg_current_xact_id()::text")
        crowd.connection.execute("UPDATE profiles SET touched_by = pg_current_xact_id()")
        assert not crowd.analyze(NOW, times(1), shard).finished
        assert crowd.analyze(NOW, lambda: True, shard).finished
        assert user_id(late) not in learned(crowd)
        release()
    assert crowd.analyze(NOW, lambda: True, shard).finished
    assert learned(crowd) == own & EVERYONE | {user_id(late)}


def test_the_same_one_twice_at_once_does_its_work_once(crowd: Site) -> None:
    beside = Database(crowd.url, learning.QUERIES)
    same: list[Run] = []
    other: list[Run] = []

    def meanwhile() -> bool:
        same.append(learning.analyze(beside, [Shard(1, NUMBER)], NOW, lambda: True))
        other.append(learning.analyze(beside, [Shard(2, NUMBER)], NOW, lambda: True))
        return True

    first = crowd.analyze(NOW, meanwhile, Shard(1, NUMBER))
    assert first.finished
    assert set(same) == {Run(0, finished=False)}
    assert all(run.finished for run in other), "another shard isn't kept waiting"
    held = shards_hold(crowd, NUMBER)
    assert learned(crowd) == held[1][0] | held[2][0]
    # All of them: the one that is taken is left out, and said to be.
    forget(crowd)
    with connect(crowd.url) as holder:
        holder.execute("SELECT pg_advisory_lock(%s, 3)", [USERS])
        run = learning.analyze(beside, all_shards(NUMBER), NOW, lambda: True)
        assert run == Run(len(PEOPLE) - len(held[3][0]), finished=False)
    until(lambda: learning.analyze(beside, all_shards(NUMBER), NOW, lambda: True).finished)
    assert learned(crowd) == EVERYONE
    beside.close()


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1), (4, 8), (3, 2)])
@pytest.mark.parametrize("chunks", [1, 5, 1_000])
def test_nobody_is_missed_where_their_number_changes(
    crowd: Site, before: int, after: int, chunks: int
) -> None:
    def run_all(of: int, has_time: Any = lambda: True) -> Run:
        return crowd.analyze(NOW, has_time, *all_shards(of))

    # Some shards are whole, one is in the middle, some have never run; and then there is more to learn.
    run_all(before, times(chunks))
    crowd.send(*(meets(user, "new", NOW, "apply", "new kind") for user in PEOPLE), at=NOW)
    crowd.send(does("who came since", NOW), at=NOW)
    assert run_all(after, times(1)).finished is False
    assert run_all(after).finished
    assert learned(crowd) == EVERYONE | {user_id("who came since")}
    assert all("new kind" in crowd.shares(user) for user in PEOPLE)
    assert noted(crowd) == sorted(tasks(after))
    until(lambda: run_all(after) == Run(0, finished=True))
    # And back again, as in a rollback.
    crowd.send(does("who came last", NOW), at=NOW)
    assert run_all(before).finished
    assert user_id("who came last") in learned(crowd)
    assert noted(crowd) == sorted(tasks(before))


def test_progress_of_a_time_without_shards_is_dropped(crowd: Site) -> None:
    crowd.connection.execute(
        "INSERT INTO analysis_state (task, watermark) VALUES ('users', %s::text::xid8)", [FAR]
    )
    assert crowd.analyze(NOW, lambda: True, *all_shards(NUMBER)) == Run(len(PEOPLE), finished=True)
    assert noted(crowd) == sorted(tasks(NUMBER))


@pytest.mark.parametrize("chunks", [0, 1, 4, 9])
def test_a_killed_run_of_all_is_gone_on_with(crowd: Site, chunks: int) -> None:
    done: list[int] = []

    def killed() -> bool:
        if len(done) == chunks:
            crowd.connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        done.append(1)
        return True

    with pytest.raises(DatabaseUnavailableError):
        crowd.analyze(NOW, killed, *all_shards(NUMBER))
    already = len(learned(crowd))
    run = crowd.analyze(NOW, lambda: True, *all_shards(NUMBER))
    assert run.finished
    assert run.users >= len(PEOPLE) - already
    in_parts = tables(crowd)
    forget(crowd)
    crowd.analyze(NOW)
    assert in_parts == tables(crowd)


class TestHandler:
    @pytest.fixture(autouse=True)
    def environment(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("SHARDS", str(NUMBER))
        handler._database.cache_clear()
        yield
        handler._database().close()
        handler._database.cache_clear()

    @pytest.fixture
    def now(self, site: Site) -> datetime:
        now = datetime.now(UTC)
        site.send(*(meets(user, "a", now) for user in PEOPLE), at=now)
        return now

    @staticmethod
    def run(event: Json, left: int = 300_000) -> Any:
        return handler.lambda_handler(event, SimpleNamespace(get_remaining_time_in_millis=lambda: left))

    def test_learns_the_shard_that_its_schedule_names(self, site: Site, now: datetime) -> None:
        held = [touched for touched, _ in shards_hold(site, NUMBER)]
        assert self.run(load("analyze_schedule")) == {"users": len(held[0]), "finished": True}
        assert learned(site) == held[0]
        assert self.run({"shard": 2}) == {"users": len(held[2]), "finished": True}
        assert learned(site) == held[0] | held[2]

    def test_learns_all_without_one_and_goes_on_where_they_are(self, site: Site, now: datetime) -> None:
        held = [touched for touched, _ in shards_hold(site, NUMBER)]
        self.run({"shard": 1})
        until(lambda: bool(self.run({"shard": 1}) == {"users": 0, "finished": True}))
        assert self.run({}) == {"users": len(PEOPLE) - len(held[1]), "finished": True}
        assert learned(site) == EVERYONE

    def test_does_the_task_that_its_schedule_names_alone(self, site: Site, now: datetime) -> None:
        assert self.run(load("analyze_trends")) == {"learned": True}
        assert self.run(load("analyze_trends")) == {"learned": False}
        assert site.value("SELECT count(*) FROM content_trends") == 1
        assert self.run(load("analyze_tastes")) == {"users": 0, "finished": True}
        assert learned(site) == set()
        for number in range(NUMBER):
            self.run({"task": "users", "shard": number})
        assert learned(site) == EVERYONE
        assert self.run(load("analyze_tastes"), left=69_000) == {"users": 0, "finished": False}
        assert self.run(load("analyze_tastes")) == {"users": len(PEOPLE), "finished": True}
        assert self.run(load("analyze_tastes")) == {"users": 0, "finished": True}

    @pytest.mark.parametrize("task", ["user", "", None, 1, ["trends"]])
    def test_names_a_task_that_there_is_not(self, site: Site, now: datetime, task: object) -> None:
        with pytest.raises(
            BadRequestError,
            match=r"^task must be all, trends, content, users, tastes, journeys or counts, not ",
        ):
            self.run({"task": task})

    @pytest.mark.parametrize("shard", [-1, NUMBER, "0", None, True])
    def test_names_a_shard_that_there_is_not(self, site: Site, now: datetime, shard: object) -> None:
        with pytest.raises(BadRequestError, match=r"^shard must be a whole number from 0 to 3, not "):
            self.run({"shard": shard})
        assert learned(site) == set()

    def test_counts_whom_it_learned(
        self, site: Site, now: datetime, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def by_name() -> dict[str, float]:
            found = measured(capsys.readouterr().out)
            assert {one.dimensions for one in found} <= {ANALYZE}
            assert {one.name: one.unit for one in found}.items() <= UNITS.items()
            assert {one.name for one in found} >= {"Lag"}
            return {one.name: one.value for one in found if one.name != "Lag"}

        own = len(shards_hold(site, NUMBER)[2][0])
        self.run({"shard": 2})
        assert by_name() == {"UsersLearned": own}
        self.run({}, left=69_000)
        assert by_name() == {}, "there was no time"
        until(lambda: bool(self.run({})["users"] == 0))
        capsys.readouterr()
        site.connection.execute("UPDATE user_preferences SET expires_at = '-infinity'")
        self.run({"shard": 2})
        assert by_name() == {"UsersLearned": own}, "also whom it learned again"

    def test_counts_also_where_it_breaks(
        self, site: Site, now: datetime, capsys: pytest.CaptureFixture[str]
    ) -> None:
        held = [touched for touched, _ in shards_hold(site, NUMBER)]
        poison = min(held[1])
        site.connection.execute(
            "CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF new.user_id = '{poison}' THEN RAISE 'breaks' USING ERRCODE = 'internal_error';"
            " END IF; RETURN new; END $$".encode()
        )
        site.connection.execute(
            "CREATE TRIGGER breaks BEFORE INSERT ON suggestions FOR EACH ROW EXECUTE FUNCTION breaks()"
        )
        with pytest.raises(Exception, match="breaks"):
            self.run({})
        learned_of = Measured("Footfall", "UsersLearned", "Count", ANALYZE, len(held[0]))
        assert measured(capsys.readouterr().out) == {learned_of}


class TestLag:
    """Seconds since the shard that is most behind came to its end, as any run finds them."""

    @pytest.fixture
    def database(self, crowd: Site) -> Iterator[Database]:
        database = Database(crowd.url, learning.QUERIES)
        yield database
        database.close()

    @staticmethod
    def lag(
        capsys: pytest.CaptureFixture[str],
        database: Database,
        shards: list[Shard],
        now: datetime,
        chunks: int,
    ) -> float:
        with counting("analyze"):
            learning.analyze(database, shards, now, times(chunks))
        [lag] = [one.value for one in measured(capsys.readouterr().out) if one.name == "Lag"]
        return lag

    def test_is_that_of_a_pass_that_takes_several_runs(
        self, database: Database, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lags = [self.lag(capsys, database, all_shards(1), NOW + n * HOUR, 1) for n in range(3)]
        assert lags == [0, 3600, 7200]
        assert self.lag(capsys, database, all_shards(1), NOW + 3 * HOUR, 100) == 0

    def test_is_that_of_a_shard_that_never_runs(
        self, database: Database, capsys: pytest.CaptureFixture[str]
    ) -> None:
        others = [shard for shard in all_shards(NUMBER) if shard.number != 2]
        for n in range(3):
            assert self.lag(capsys, database, others, NOW + n * HOUR, 100) == n * 3600

    def test_is_that_of_a_shard_whose_lock_is_held(
        self, crowd: Site, database: Database, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with connect(crowd.url) as holder:
            holder.execute("SELECT pg_advisory_lock(%s, 1)", [USERS])
            for n in range(2):
                assert self.lag(capsys, database, all_shards(NUMBER), NOW + n * HOUR, 100) == n * 3600
        assert self.lag(capsys, database, all_shards(NUMBER), NOW + 2 * HOUR, 100) == 0


def test_a_run_waits_for_a_database_that_wakes(crowd: Site) -> None:
    with waking(crowd.url, refusals=3) as url:
        database = Database(url, learning.QUERIES)
        with pytest.raises(DatabaseUnavailableError):
            learning.analyze(database, all_shards(1), NOW, times(100))
        run = learning.analyze(database, all_shards(1), NOW, times(100), patience=30)
        assert run == Run(len(PEOPLE), finished=True)
        database.close()
