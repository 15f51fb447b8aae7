"""Runs of analyze: everyone is learned, whatever commits late, is killed, overlaps or was restored."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from footfall.database import Database
from footfall.errors import BadDataError, DatabaseUnavailableError, TooSlowError
from functions.analyze import handler as analyze_handler
from functions.analyze import learning
from functions.analyze.learning import Run
from functions.analyze.shards import Shard
from functions.maintain import handler as maintain_handler
from local.postgres.roles import let_in
from tests.integration.learning_runs import FAR, HOUR, NOW, forget, held_up, learned, tables, times
from tests.integration.waiting import until
from tests.samples import load
from tests.site import Site, does, meets, user_id

MINUTE = timedelta(minutes=1)
# All users.
WHOLE = Shard(0, 1)
PEOPLE = [f"user {number}" for number in range(7)]


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    with Site(database_url) as site:
        yield site


@pytest.fixture
def crowd(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Seven users, each touched by a transaction of its own, learned two at a time."""
    monkeypatch.setattr(learning, "CHUNK", 2)
    for number, user in enumerate(PEOPLE):
        site.send(meets(user, "a", NOW - number * HOUR, kind=f"kind {number % 3}"), at=NOW)
    return site


class TestWatermark:
    def test_those_of_whom_nothing_is_new_are_left_alone(self, crowd: Site) -> None:
        assert crowd.analyze(NOW) == Run(7, finished=True)
        until(lambda: crowd.analyze(NOW) == Run(0, finished=True))
        crowd.send(does("user 3", NOW), at=NOW)
        later = NOW + MINUTE
        crowd.analyze(later)
        assert crowd.suggestion("user 3")["computed_at"] == later

    def test_who_commits_after_a_run_that_began_before_is_learned_by_the_next(self, site: Site) -> None:
        with held_up(site, meets("late", "a", NOW)) as release:
            # Transactions that begin later and are done sooner.
            for _ in range(3):
                site.value("SELECT pg_current_xact_id()::text")
            site.connection.execute("UPDATE profiles SET touched_by = pg_current_xact_id()")
            assert site.analyze(NOW).finished
            assert user_id("late") not in learned(site)
            release()
        site.analyze(NOW)
        assert learned(site) == {user_id("late")}

    def test_who_commits_while_a_run_goes_on_is_learned_by_the_next(self, crowd: Site) -> None:
        with held_up(crowd, meets("late", "a", NOW)) as release:
            crowd.value("SELECT pg_current_xact_id()::text")
            assert not crowd.analyze(NOW, times(1)).finished
            release()
        crowd.analyze(NOW)
        crowd.analyze(NOW)
        assert learned(crowd) == {user_id(user) for user in [*PEOPLE, "late"]}

    def test_who_is_touched_again_after_its_chunk_is_learned_again(self, crowd: Site) -> None:
        crowd.analyze(NOW, times(1))
        crowd.send(meets("user 0", "b", NOW, kind="new kind"), at=NOW)
        assert crowd.analyze(NOW).finished
        crowd.analyze(NOW)
        assert "new kind" in crowd.shares("user 0")

    @pytest.mark.parametrize("unfinished", [False, True])
    def test_a_restored_database_is_looked_at_whole_once(self, crowd: Site, unfinished: bool) -> None:
        """Its transactions count from anew: what it noted lies in the future."""
        crowd.analyze(NOW)
        crowd.connection.execute("DELETE FROM suggestions")
        crowd.connection.execute(
            "UPDATE profiles SET touched_by = %s::text::xid8 WHERE id = %s", [FAR, user_id("user 0")]
        )
        crowd.connection.execute("UPDATE analysis_state SET watermark = %s::text::xid8", [FAR])
        if unfinished:
            crowd.connection.execute(
                "UPDATE analysis_state SET resume = %s::text::jsonb WHERE task = %s",
                [
                    f'{{"watermark": "{FAR}", "until": "{FAR}9", "next_watermark": "{FAR}",'
                    f' "after_touch": "{FAR}5", "after_user": "{user_id("user 1")}"}}',
                    WHOLE.task,
                ],
            )
        # It may be killed while it does so.
        assert crowd.analyze(NOW, times(2)) == Run(4, finished=False)
        assert crowd.analyze(NOW) == Run(3, finished=True)
        assert learned(crowd) == {user_id(user) for user in PEOPLE}
        until(lambda: crowd.analyze(NOW) == Run(0, finished=True))


class TestCrash:
    def test_a_run_without_time_is_gone_on_with(self, crowd: Site) -> None:
        assert crowd.analyze(NOW, times(1)) == Run(2, finished=False)
        assert len(learned(crowd)) == 2
        assert crowd.analyze(NOW, times(0)) == Run(0, finished=False)
        assert crowd.analyze(NOW) == Run(5, finished=True)
        in_parts = tables(crowd)
        forget(crowd)
        assert crowd.analyze(NOW) == Run(7, finished=True)
        assert in_parts == tables(crowd)

    @pytest.mark.parametrize("chunks", [0, 1, 3])
    def test_a_killed_run_is_gone_on_with(self, crowd: Site, chunks: int) -> None:
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
            crowd.analyze(NOW, killed)
        assert len(learned(crowd)) == 2 * chunks
        assert crowd.analyze(NOW) == Run(7 - 2 * chunks, finished=True)
        in_parts = tables(crowd)
        forget(crowd)
        crowd.analyze(NOW)
        assert in_parts == tables(crowd)

    @pytest.mark.parametrize("code", ["query_canceled", "check_violation"])
    @pytest.mark.parametrize("size", [2, 1000])
    def test_who_cannot_be_learned_of_keeps_nobody_else_waiting(
        self, crowd: Site, monkeypatch: pytest.MonkeyPatch, code: str, size: int
    ) -> None:
        monkeypatch.setattr(learning, "CHUNK", size)
        crowd.connection.execute(
            "CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF new.user_id = '{user_id('user 3')}' THEN"
            f" RAISE 'statement timeout' USING ERRCODE = '{code}'; END IF; RETURN new; END $$"
        )
        crowd.connection.execute(
            "CREATE TRIGGER breaks BEFORE INSERT ON suggestions FOR EACH ROW EXECUTE FUNCTION breaks()"
        )
        with pytest.raises((TooSlowError, BadDataError)):
            crowd.analyze(NOW, times(2 if size == 2 else 1))
        assert user_id("user 3") not in learned(crowd), "without time for parts it is all tried again"
        assert crowd.analyze(NOW) == Run(6 - 2 * (size == 2), finished=True)
        assert learned(crowd) == {user_id(user) for user in PEOPLE} - {user_id("user 3")}
        assert not crowd.preferences("user 3")
        crowd.connection.execute("DROP TRIGGER breaks ON suggestions")
        crowd.send(does("user 3", NOW), at=NOW)
        assert crowd.analyze(NOW).finished
        assert learned(crowd) == {user_id(user) for user in PEOPLE}

    def test_a_second_run_beside_one_does_nothing(self, crowd: Site) -> None:
        beside = Database(let_in(crowd.url, "footfall_analyze"), learning.QUERIES)
        runs = []

        def meanwhile() -> bool:
            runs.append(learning.analyze(beside, [WHOLE], NOW, lambda: True))
            return True

        assert crowd.analyze(NOW, meanwhile) == Run(7, finished=True)
        assert set(runs) == {Run(0, finished=False)}
        # The lock was let go of.
        assert learning.analyze(beside, [WHOLE], NOW, lambda: True).finished
        beside.close()


class TestExpiry:
    def test_of_users_is_learned_by_chunks_and_once_a_day(self, crowd: Site) -> None:
        crowd.analyze(NOW)
        # Nobody has done anything since; first the hours are forgotten.
        later = NOW + timedelta(days=9)
        until(lambda: crowd.analyze(NOW) == Run(0, finished=True))
        assert crowd.analyze(later, times(3)) == Run(4, finished=False)
        assert crowd.analyze(later) == Run(3, finished=True)
        assert crowd.analyze(later) == Run(0, finished=True)
        keys = "SELECT DISTINCT left(preference_key, 12) AS key FROM user_preferences"
        assert crowd.value(keys) == "content_type"
        assert crowd.analyze(NOW + timedelta(days=60)) == Run(7, finished=True)
        assert crowd.rows("SELECT FROM user_preferences") == []


class TestSchedules:
    @pytest.fixture
    def context(self) -> Any:
        return SimpleNamespace(get_remaining_time_in_millis=lambda: 300_000)

    @pytest.fixture(autouse=True)
    def environment(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("DATABASE_URL", database_url)
        monkeypatch.setenv("RETENTION_MONTHS", "13")
        monkeypatch.setenv("SHARDS", "2")
        analyze_handler._database.cache_clear()
        yield
        if analyze_handler._database.cache_info().currsize:
            analyze_handler._database().close()
        analyze_handler._database.cache_clear()

    def test_analyze_learns(self, site: Site, context: Any) -> None:
        now = datetime.now(UTC)
        site.send(meets("ada", "a", now), at=now)
        answer = analyze_handler.lambda_handler(load("analyze_all_shards"), context)
        assert answer == {"users": 1, "finished": True}
        assert site.shares("ada") == {"project": 1.0}

    def test_analyze_stops_in_time(self, site: Site) -> None:
        now = datetime.now(UTC)
        site.send(meets("ada", "a", now), at=now)
        ending: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 69_000)
        answer = analyze_handler.lambda_handler(load("analyze_all_shards"), ending)
        assert answer == {"users": 0, "finished": False}

    def test_what_analyze_begins_may_wait_for_one_statement(self) -> None:
        assert analyze_handler.RESERVE_MILLISECONDS > analyze_handler.STATEMENT_SECONDS * 1_000

    def test_analyze_finds_an_empty_database(self, context: Any) -> None:
        for _ in range(2):
            answer = analyze_handler.lambda_handler(load("analyze_schedule"), context)
            assert answer == {"users": 0, "finished": True}

    def test_maintain_has_nothing_to_do_in_a_maintained_database(self, context: Any) -> None:
        answer = maintain_handler.lambda_handler(load("maintain_schedule"), context)
        assert answer == {"migrated": [], "made": [], "dropped": []}
