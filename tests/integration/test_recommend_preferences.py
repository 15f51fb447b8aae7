"""Preferences that a user says: how they are put, what is refused, and how they live with those learned."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from functions.recommend import handler
from tests.asking import (
    DELETE_PREFERENCE,
    FEED,
    GET_PREFERENCE,
    INSIGHTS,
    PREFERENCES,
    PUT_PREFERENCE,
    answer_of,
    answering,
    ask,
    refused,
    request,
    told,
)
from tests.site import Json, Site, is_told, meets, there_is

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def site(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with answering(database_url, monkeypatch) as site:
        yield site


class TestPreferences:
    JOB = "content_type:job"

    def test_of_attributes_and_authors_have_the_names_that_were_sent(self, site: Site) -> None:
        by_grace: Json = {"attributes": {"skills": ["Python"]}, "author_id": "Grace H."}
        site.send(
            *(there_is(name, NOW, **by_grace) for name in "ab"),
            *(meets("ada", name, NOW) for name in "ab"),
            at=NOW,
        )
        site.analyze(NOW)
        learned = {one["key"]: one["value"] for one in told(PREFERENCES, "ada")["preferences"]}
        assert learned["author:Grace H."] == learned["attribute:skills:python"] == {"score": 1.0}
        assert told(GET_PREFERENCE, "ada", key="author:Grace H.")["source"] == "inferred"
        for key, kept in (("author:Grace H.", None), ("attribute:skills:PYTHON", "attribute:skills:python")):
            said = told(PUT_PREFERENCE, "ada", key=key, body="0.25")
            assert (said["key"], said["value"], said["source"]) == (kept or key, {"score": 0.25}, "explicit")
            assert refused(PUT_PREFERENCE, key=key, body='"much"')
        site.send(meets("ada", "a", NOW), at=NOW)
        site.analyze(NOW)
        assert told(GET_PREFERENCE, "ada", key="author:Grace H.")["value"] == {"score": 0.25}

    def test_that_are_said_win_until_they_are_deleted(self, site: Site) -> None:
        site.send(meets("ada", "a", NOW, kind="job"), meets("ada", "b", NOW), at=NOW)
        site.analyze(NOW)
        inferred = told(GET_PREFERENCE, "ada", key=self.JOB)
        assert inferred["value"] == {"type": "job", "score": 0.5}
        assert inferred["source"] == "inferred"

        said = told(PUT_PREFERENCE, "ada", key=self.JOB, body='{"score": 0.9}')
        assert said["value"] == {"type": "job", "score": 0.9}
        assert (said["source"], said["confidence"]) == ("explicit", 1.0)
        site.send(*(meets("ada", "c", NOW) for _ in range(5)), at=NOW)
        later = NOW + MINUTE
        site.analyze(later)
        assert told(GET_PREFERENCE, "ada", key=self.JOB) == said
        assert site.shares("ada")["project"] > 0.5

        assert ask(DELETE_PREFERENCE, "ada", key=self.JOB) == (204, None)
        assert ask(DELETE_PREFERENCE, "ada", key=self.JOB) == (204, None)
        assert ask(GET_PREFERENCE, "ada", key=self.JOB)[0] == 404
        # Nothing of this user is new but the deletion.
        site.analyze(later)
        again = told(GET_PREFERENCE, "ada", key=self.JOB)
        assert again["source"] == "inferred"
        assert again["value"]["score"] == pytest.approx(1 / 7, abs=1e-4)

    def test_that_are_said_outlive_the_forgetting_of_others(self, site: Site) -> None:
        site.send(meets("ada", "a", NOW - 29 * DAY, kind="job"), meets("ada", "b", NOW), at=NOW)
        told(PUT_PREFERENCE, "ada", key="content_type:profile", body="1")
        told(PUT_PREFERENCE, "ada", key="active_hours", body='{"hours": [3]}')
        told(PUT_PREFERENCE, "ada", key="theme", body='{"dark": true}')
        later = NOW + 9 * DAY
        site.send(is_told("ada", later, plan="team"), at=later)
        site.analyze(later)
        keys = [one["key"] for one in told(PREFERENCES, "ada")["preferences"]]
        # What was said first, then the strongest first.
        assert keys == ["content_type:profile", "active_hours", "theme", "content_type:project"]
        assert told(INSIGHTS, "ada")["active_hours"] == [3]
        assert [one["type"] for one in told(INSIGHTS, "ada")["preferences"]] == ["profile", "project"]

    def test_that_are_said_never_expire(self, site: Site) -> None:
        site.send(meets("ada", "a", NOW, kind="job"), at=NOW)
        site.analyze(NOW)
        told(PUT_PREFERENCE, "ada", key=self.JOB, body="0.9")
        site.analyze(NOW + 60 * DAY)
        assert site.preferences("ada").keys() == {self.JOB}
        assert site.preferences("ada")[self.JOB]["expires_at"] is None

    def test_of_a_content_type_are_scores(self, site: Site) -> None:
        bodies = {"0": 0, "1": 1, "0.12345": 0.1235, '{"score": 1.0}': 1, '{"score": 0.5, "x": [null]}': 0.5}
        for body, score in bodies.items():
            said = told(PUT_PREFERENCE, "ada", key=self.JOB, body=body)
            assert said["value"] == {"type": "job", "score": score}

    def test_of_other_keys_are_the_products_own(self, site: Site) -> None:
        values = ["text", [1, {"a": None}], {"score": "high"}, False, 0, {}, "ü\U0001f600"]
        for number, value in enumerate(values):
            key = f"{number}: ü/{'x' * 90}"
            assert told(PUT_PREFERENCE, "ada", key=key, body=json.dumps(value))["value"] == value
            assert told(GET_PREFERENCE, "ada", key=key)["value"] == value
        assert [one["value"] for one in told(PREFERENCES, "ada")["preferences"]] == values
        assert told(INSIGHTS, "ada")["preferences"] == []

    def test_are_taken_from_a_body_in_base64(self, site: Site) -> None:
        event = {**request(PUT_PREFERENCE, "ada", key="theme", body="ImRhcmsi"), "isBase64Encoded": True}
        assert answer_of(handler.lambda_handler(event, None))[1]["value"] == "dark"
        assert answer_of(handler.lambda_handler({**event, "body": "%"}, None))[0] == 400

    def test_that_make_no_sense_are_refused(self, site: Site) -> None:
        for body in (
            "1.01",
            "-0.01",
            "true",
            '"0.5"',
            "[]",
            "{}",
            '{"score": null}',
            '{"score": "1"}',
            "1e400",
        ):
            assert "score" in refused(PUT_PREFERENCE, key=self.JOB, body=body)
        for body in ("", "{", "NaN", '{"score": Infinity}', "'x'", "[" * 100_000, "9" * 5_000):
            assert "JSON" in refused(PUT_PREFERENCE, key=self.JOB, body=body)
        assert "null" in refused(PUT_PREFERENCE, key="theme", body="null")
        for key in ("x" * 101, "content_type:", "content_type:" + "x" * 51):
            assert "key" in refused(PUT_PREFERENCE, key=key, body="1")
        for hours in ("[9]", '{"hours": 9}', '{"hours": [24]}', '{"hours": [-1]}', '{"hours": [1.5]}', '"9"'):
            assert "active_hours" in refused(PUT_PREFERENCE, key="active_hours", body=hours)
        for body in (r'"\u0000"', r'{"\ud800": 1}', '{"a": 1e999}'):
            assert "stored" in refused(PUT_PREFERENCE, key="theme", body=body)
        assert told(PREFERENCES, "ada") == {"preferences": []}

    def test_however_deep_are_kept_or_refused(self, site: Site) -> None:
        for depth in (100, 500, *range(850, 1_000, 10), 5_000, 50_000):
            status, _ = ask(PUT_PREFERENCE, "ada", key="theme", body="[" * depth + "]" * depth)
            assert status in (200, 400), depth
            assert ask(PREFERENCES, "ada")[0] == 200, depth

    def test_are_refused_where_they_are_too_long(self, site: Site) -> None:
        room = 16 * 1024 - len('""')
        for text in ("x" * room, "ü" * (room // 2)):
            assert told(PUT_PREFERENCE, "ada", key="theme", body=json.dumps(text))["value"] == text
            too_long = json.dumps(text + "x")
            assert "16 KiB" in refused(PUT_PREFERENCE, "ada", key="theme", body=too_long)
            assert told(GET_PREFERENCE, "ada", key="theme")["value"] == text

    def test_are_refused_where_they_are_too_many(self, site: Site) -> None:
        # What was learned takes nobody's room.
        site.send(meets("ada", "a", NOW), at=NOW)
        site.analyze(NOW)
        for number in range(100):
            told(PUT_PREFERENCE, "ada", key=f"key {number}", body="1")
        for key in ("one more", "content_type:job", "content_type:project"):
            assert "100" in refused(PUT_PREFERENCE, "ada", key=key, body="1")
        assert told(PUT_PREFERENCE, "ada", key="key 7", body="2")["value"] == 2
        told(PUT_PREFERENCE, "grace", key="one more", body="1")
        ask(DELETE_PREFERENCE, "ada", key="key 7")
        told(PUT_PREFERENCE, "ada", key="one more", body="1")

    def test_with_what_cannot_be_stored_in_the_address_are_refused(self, site: Site) -> None:
        for odd in ("\0", "a\0", "\ud800"):
            for route in (GET_PREFERENCE, PUT_PREFERENCE, DELETE_PREFERENCE):
                assert refused(route, key=odd, body="1").startswith("key: ")
            assert refused(FEED, content_type=odd).startswith("content_type: ")
            assert refused(PREFERENCES, odd).startswith("user: ")
