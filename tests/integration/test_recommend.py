"""The routes about one user: who may ask, what comes back, and what happens without a database."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from footfall import rules
from footfall.http import ADMIN, READ
from functions.recommend import handler
from tests.asking import (
    ABOUT,
    ANONYMOUS_FEED,
    DELETE_PREFERENCE,
    FEED,
    GET_PREFERENCE,
    INSIGHTS,
    NEXT_ACTION,
    PREFERENCES,
    PUT_PREFERENCE,
    SERVER,
    SIMILAR_USERS,
    answer_of,
    answering,
    ask,
    refused,
    request,
    token_of,
    told,
)
from tests.samples import load
from tests.site import Json, Site, by_a_bot, does, is_told, meets, there_is, user_id

Did = tuple[str, str | None]

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@pytest.fixture
def site(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with answering(database_url, monkeypatch) as site:
        yield site


def sentences(value: Any) -> Iterator[str]:
    """Every text in an answer."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from sentences(item)


OF_USERS = (*ABOUT, GET_PREFERENCE, PUT_PREFERENCE, DELETE_PREFERENCE)


class TestHonesty:
    """Whoever is asked about: an answer, never an error."""

    def test_every_route_has_a_test_and_no_other(self) -> None:
        assert set(handler.ROUTES) == {*OF_USERS, ANONYMOUS_FEED}

    def test_in_an_empty_database(self, site: Site) -> None:
        assert told(FEED, "nobody") | {"feed_id": ""} == {
            "items": [],
            "reasoning": "There is nothing to show that you haven't seen",
            "intent": "browsing",
            "strategy": "for_everyone",
            "feed_id": "",
            "cursor": None,
        }
        suggestion = {
            "action": "complete_profile",
            "message": "Complete your profile to get discovered",
            "cta": "Complete Profile",
            "priority": "high",
            "stage": "new_user",
            "evidence": {},
        }
        assert told(NEXT_ACTION, "nobody") == suggestion
        assert told(SIMILAR_USERS, "nobody") == {"users": []}
        assert told(PREFERENCES, "nobody") == {"preferences": []}
        assert told(INSIGHTS, "nobody") == {
            "stage": "new_user",
            "suggestion": suggestion,
            "preferences": [],
            "intent": "browsing",
            "active_hours": [],
            "journey": [],
            "journey_basis": {"enough": False, "sessions": 0, "after": []},
            "time_zone": None,
            "updated_at": None,
        }
        assert ask(GET_PREFERENCE, "nobody", key="theme")[0] == 404
        assert site.value("SELECT count(*) FROM impressions") == 0

    @pytest.mark.parametrize("analyzed", [False, True])
    def test_of_strangers_one_click_and_bots(self, site: Site, analyzed: bool) -> None:
        site.send(
            meets("one click", "a", NOW, "click"),
            by_a_bot(meets("bot", "a", NOW)),
            by_a_bot(does("bot", NOW)),
            is_told("silent", NOW, plan="team"),
            there_is("b", NOW, "job", title="Welder"),
            at=NOW,
        )
        if analyzed:
            site.analyze(NOW)
        for user in ("stranger", "one click", "bot", "silent"):
            answers = [told(route, user) for route in ABOUT]
            texts = list(sentences(answers))
            assert not [text for text in texts if re.search(r"None|null|undefined|NaN|[{}]", text)]
            feed, action, alike, insights, _ = answers
            shown = {"one click": {"b"}, "bot": {"b"}}.get(user, {"a", "b"})
            assert {item["content_id"] for item in feed["items"]} == shown
            assert all(item["reason"] and item["strategy"] for item in feed["items"])
            assert feed["reasoning"]
            assert action["stage"] == insights["stage"] == "new_user"
            assert alike == {"users": []}
        # One click, 0.7, which fades until the end of the day.
        sure = pytest.approx(0.36, abs=0.0151)
        likes = [{"type": "project", "score": 1.0, "confidence": sure, "source": "inferred"}]
        assert told(INSIGHTS, "one click")["preferences"] == (likes if analyzed else [])
        assert told(INSIGHTS, "bot")["preferences"] == []
        assert told(INSIGHTS, "bot")["active_hours"] == []

    def test_after_analyze(self, site: Site) -> None:
        site.send(meets("ada", "a", NOW, time_zone="Asia/Kathmandu"), at=NOW)
        site.analyze(NOW)
        insights = told(INSIGHTS, "ada")
        here = NOW + timedelta(hours=5, minutes=45)
        assert insights["active_hours"] == [here.hour]
        assert insights["time_zone"] == "Asia/Kathmandu"
        assert insights["suggestion"] == told(NEXT_ACTION, "ada")

    @pytest.mark.parametrize("route", [NEXT_ACTION, SIMILAR_USERS, INSIGHTS, PREFERENCES, GET_PREFERENCE])
    def test_is_not_sent_again_while_it_is_the_same(self, site: Site, route: str) -> None:
        site.send(*(meets(user, "a", NOW, "like") for user in ("ada", "bob")), at=NOW)
        site.analyze(NOW)
        ask(PUT_PREFERENCE, "ada", key="theme", body='"dark"')
        event = request(route, "ada", key="theme")
        first = handler.lambda_handler(event, None)
        event["headers"]["if-none-match"] = first["headers"]["etag"]
        assert first["statusCode"] == 200
        assert handler.lambda_handler(event, None)["statusCode"] == 304
        # Six searches later another intent, a preference said anew, a stage over, another alike.
        site.send(*(does("ada", NOW, "search", "search") for _ in range(10)), at=NOW)
        site.send(meets("ada", "b", NOW, "save"), meets("cyd", "b", NOW), at=NOW)
        site.send(is_told("ada", NOW - 40 * DAY, created_at=(NOW - 40 * DAY).isoformat()), at=NOW)
        ask(PUT_PREFERENCE, "ada", key="theme", body='"light"')
        site.analyze(NOW)
        then = handler.lambda_handler(event, None)
        assert then["statusCode"] == 200
        assert then["body"] != first["body"]

    def test_times_are_rfc_3339(self, site: Site) -> None:
        site.send(meets("ada", "a", NOW), at=NOW)
        site.analyze(NOW)
        put = told(PUT_PREFERENCE, "ada", key="theme", body='"dark"')
        times = [
            told(INSIGHTS, "ada")["updated_at"],
            put["updated_at"],
            told(GET_PREFERENCE, "ada", key="theme")["updated_at"],
            *(one["updated_at"] for one in told(PREFERENCES, "ada")["preferences"]),
        ]
        assert len(times) == 6
        assert all(RFC_3339.fullmatch(time) for time in times), times

    def test_a_suggestion_is_counted_again_when_it_is_old_or_its_stage_is_over(self, site: Site) -> None:
        # Not NOW: by the end of a long run of tests that is old.
        now = datetime.now(UTC)
        then = now - 11 * MINUTE
        signed_up = (now - 5 * DAY).isoformat()
        site.send(
            *(is_told(user, then, created_at=signed_up) for user in ("old", "fresh", "elsewhere")),
            *(does(user, then) for user in ("old", "fresh") for _ in range(10)),
            *(does("elsewhere", then) for _ in range(9)),
            at=then,
        )
        site.analyze(then)
        site.connection.execute(
            "UPDATE suggestions SET computed_at = %s WHERE user_id <> %s", [now, user_id("old")]
        )
        site.send(there_is("j", now, "job"), does("elsewhere", now), at=now)
        jobs = "1 new opportunity this week"
        assert told(NEXT_ACTION, "old")["message"] == jobs
        assert told(NEXT_ACTION, "elsewhere")["message"] == jobs
        assert told(NEXT_ACTION, "fresh")["message"] == "Request endorsements to build credibility"


class TestIntent:
    """What a user did, latest last, and what that says."""

    PAGE: Did = ("page_view", "view")
    SEARCH: Did = ("search", None)
    SEARCH_ACTION: Did = ("user_action", "search")
    PROFILE: Did = ("content_interaction", "view_profile")
    PROJECT: Did = ("content_interaction", "view_project")
    DID: tuple[tuple[list[Did], str], ...] = (
        ([SEARCH] * 5, "browsing"),
        ([SEARCH] * 6, "actively_searching"),
        ([SEARCH_ACTION] * 5, "browsing"),
        ([SEARCH_ACTION] * 6, "actively_searching"),
        ([SEARCH, SEARCH_ACTION] * 3, "actively_searching"),
        ([PROFILE] * 3, "browsing"),
        ([PROFILE] * 4, "recruiting"),
        ([PROJECT] * 3, "browsing"),
        ([PROJECT] * 4, "researching"),
        ([PROJECT] * 4 + [PROFILE] * 4, "recruiting"),
        ([PROJECT] * 4 + [PROFILE] * 4 + [SEARCH] * 6, "actively_searching"),
        ([SEARCH] * 6 + [PAGE] * 14, "actively_searching"),
        ([SEARCH] * 6 + [PAGE] * 15, "browsing"),
        ([PROFILE] * 4 + [PAGE] * 17, "browsing"),
        ([PAGE] * 300 + [PROJECT] * 4, "researching"),
    )

    def test_is_what_the_last_twenty_say(self, site: Site) -> None:
        for number, (did, _) in enumerate(self.DID):
            user = f"user {number}"
            start = NOW - len(did) * MINUTE
            events = [
                does(user, start + n * MINUTE, event_type, action)
                for n, (event_type, action) in enumerate(did)
            ]
            site.send(*events, at=NOW)
        found = {number: told(INSIGHTS, f"user {number}")["intent"] for number, _ in enumerate(self.DID)}
        assert found == {number: intent for number, (_, intent) in enumerate(self.DID)}
        assert told(FEED, "user 1")["intent"] == "actively_searching"

    def test_is_no_older_than_twenty_however_many_are_given(self) -> None:
        old = [{"event_type": "search", "event_action": "type"}] * 6
        assert (
            rules.load().intent([{"event_type": "page_view", "event_action": "view"}] * 20 + old)
            == "browsing"
        )

    def test_counts_interactions_with_content(self, site: Site) -> None:
        site.send(*(meets("ada", f"{n}", NOW) for n in range(4)), at=NOW)
        assert told(INSIGHTS, "ada")["intent"] == "researching"

    def test_does_not_count_bots(self, site: Site) -> None:
        site.send(*(by_a_bot(does("ada", NOW, *self.SEARCH)) for _ in range(9)), at=NOW)
        assert told(INSIGHTS, "ada")["intent"] == "browsing"

    def test_orders_events_of_one_moment_by_their_sequence(self, site: Site) -> None:
        did = [self.SEARCH] * 6 + [self.PAGE] * 20
        site.send(*(does("ada", NOW, *one, sequence=n) for n, one in reversed([*enumerate(did)])), at=NOW)
        site.send(*(does("grace", NOW, *one, sequence=26 - n) for n, one in enumerate(did)), at=NOW)
        assert told(INSIGHTS, "ada")["intent"] == "browsing"
        assert told(INSIGHTS, "grace")["intent"] == "actively_searching"


class TestWhoMayAsk:
    OWN = token_of("ada")
    READER = token_of("ada", f"openid {READ}")
    ADMINISTRATOR = token_of("ada", f"{ADMIN} openid")

    def test_about_whom(self, site: Site) -> None:
        for route in ABOUT:
            assert ask(route, "me", self.OWN)[0] == 200
            assert ask(route, "ada", self.OWN)[0] == 200
            assert ask(route, "grace", self.OWN)[0] == 403
            assert ask(route, "grace", self.READER)[0] == 200
            assert ask(route, "grace", self.ADMINISTRATOR)[0] == 403
            assert ask(route, "grace", SERVER)[0] == 200
            assert ask(route, "grace", token_of("ada", f"{READ}s"))[0] == 403
            status, body = ask(route, "me", SERVER)
            assert (status, body["code"]) == (403, "forbidden")
            assert "server key" in body["message"]

    def test_to_write_for_whom(self, site: Site) -> None:
        for route, done in ((PUT_PREFERENCE, 200), (DELETE_PREFERENCE, 204)):
            more = {"key": "theme", "body": '"dark"'}
            assert ask(route, "me", self.OWN, **more)[0] == done
            assert ask(route, "ada", self.OWN, **more)[0] == done
            assert ask(route, "grace", self.OWN, **more)[0] == 403
            assert ask(route, "grace", self.READER, **more)[0] == 403
            assert ask(route, "grace", self.ADMINISTRATOR, **more)[0] == done
            assert ask(route, "grace", SERVER, **more)[0] == done
            assert ask(route, "me", SERVER, **more)[0] == 403
        assert ask(GET_PREFERENCE, "grace", self.OWN, key="theme")[0] == 403

    def test_an_identity_without_a_subject_is_nobody(self, site: Site) -> None:
        event = request(FEED, "ada")
        del event["requestContext"]["authorizer"]
        assert answer_of(handler.lambda_handler(event, None))[0] == 403

    def test_junk_is_nobody(self, site: Site) -> None:
        nil = "00000000-0000-0000-0000-000000000000"
        for junk in ("null", "undefined", "0", "NaN", "[object Object]", " ", "x" * 256, nil):
            for route in OF_USERS:
                assert refused(route, junk, key="theme", body='"dark"').startswith("user: ")

    def test_a_uuid_is_the_same_user_in_any_case_and_is_given_back_in_lower_case(self, site: Site) -> None:
        shouted, met = str(uuid4()).upper(), str(uuid4()).upper()
        site.send(meets(shouted, met, NOW, "like"), meets("émile@example.org", met, NOW), at=NOW)
        [alike] = told(SIMILAR_USERS, "émile@example.org")["users"]
        assert alike["user_id"] == shouted.lower()
        for spelling in (shouted, shouted.lower()):
            [alike] = told(SIMILAR_USERS, spelling)["users"]
            assert alike["user_id"] == "émile@example.org"
            assert ask(SIMILAR_USERS, spelling, token_of(shouted)) == (200, {"users": [alike]})
        assert [item["content_id"] for item in told(FEED, "stranger")["items"]] == [met.lower()]


class TestOutage:
    def test_is_answered_503_and_recovered_from(
        self, site: Site, postgres_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(handler, "PATIENCE_SECONDS", 0.05)
        site.send(meets("ada", "a", NOW), at=NOW)
        assert ask(INSIGHTS, "ada")[0] == 200
        name = site.connection.info.dbname
        allow = psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format
        with psycopg.connect(postgres_url, autocommit=True) as elsewhere:
            elsewhere.execute(allow(psycopg.sql.Identifier(name), psycopg.sql.SQL("false")))
            elsewhere.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            for route in OF_USERS:
                response = handler.lambda_handler(request(route, "ada", key="theme", body='"dark"'), None)
                status, body = answer_of(response)
                assert (status, body["code"]) == (503, "unavailable")
                assert set(body) == {"code", "message"}
                assert name not in body["message"]
                assert int(response["headers"]["retry-after"]) >= 1
            elsewhere.execute(allow(psycopg.sql.Identifier(name), psycopg.sql.SQL("true")))
        assert ask(INSIGHTS, "ada")[0] == 200
        assert ask(PUT_PREFERENCE, "ada", key="theme", body='"dark"')[0] == 200

    def test_a_connection_that_was_lost_is_opened_again_unnoticed(self, site: Site) -> None:
        assert ask(PREFERENCES, "ada")[0] == 200
        site.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert ask(PREFERENCES, "ada")[0] == 200

    def test_what_fails_on_our_side_says_no_more(self, site: Site) -> None:
        site.connection.execute("ALTER TABLE user_preferences RENAME TO elsewhere")
        status, body = ask(PREFERENCES, "ada")
        assert (status, body) == (500, {"code": "internal", "message": "Something failed on our side."})


class TestSamples:
    def answer(self, name: str) -> Json:
        event = load(name)
        assert event["routeKey"] in handler.ROUTES
        status, body = answer_of(handler.lambda_handler(event, None))
        assert status == 200
        assert isinstance(body, dict)
        return body

    def test_are_answered(self, site: Site) -> None:
        site.send(there_is("a", NOW, title="A"), at=NOW)
        assert self.answer("recommend_put_preference")["value"] == {"type": "job", "score": 0.9}
        assert self.answer("recommend_feed")["items"][0]["title"] == "A"
        [liked] = self.answer("recommend_insights")["preferences"]
        assert (liked["type"], liked["source"]) == ("job", "explicit")
