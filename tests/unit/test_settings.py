"""Every variable by its name; one that is missing is named when it is asked for."""

from collections.abc import Callable
from typing import Any

import pytest

from footfall.errors import MissingSettingError
from footfall.settings import Settings

REQUIRED: list[tuple[str, Callable[[Settings], Any], str]] = [
    ("DATABASE_URL", lambda settings: settings.database_url, "postgresql://footfall@host/footfall"),
    ("QUEUE_URL", lambda settings: settings.queue_url, "https://sqs.eu-central-1.amazonaws.com/1/q"),
    ("DEAD_LETTER_QUEUE_URL", lambda settings: settings.dead_letter_queue_url, "https://sqs.invalid/1/dlq"),
    ("INGEST_FUNCTION", lambda settings: settings.ingest_function, "ingest"),
    ("SESSION_FUNCTION", lambda settings: settings.session_function, "session"),
    ("INSIGHTS_FUNCTION", lambda settings: settings.insights_function, "insights"),
    ("JWT_ISSUER", lambda settings: settings.jwt_issuer, "https://issuer.invalid"),
    ("INSIGHTS_SCOPE", lambda settings: settings.insights_scope, "openid footfall:read"),
    ("JWT_AUDIENCE", lambda settings: settings.jwt_audience, "footfall"),
]


@pytest.mark.parametrize(("name", "read", "value"), REQUIRED)
def test_a_variable_is_read_when_it_is_asked_for(
    name: str, read: Callable[[Settings], Any], value: str
) -> None:
    environ: dict[str, str] = {}
    settings = Settings(environ)
    for missing in (None, ""):
        if missing is not None:
            environ[name] = missing
        with pytest.raises(MissingSettingError, match=f"^the environment variable {name} is missing$"):
            read(settings)
    environ[name] = value
    assert read(settings) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", ()), (" , ,", ()), ("a", ("a",)), (" a, b ,,c", ("a", "b", "c"))],
)
def test_lists_of_digests_may_be_empty(value: str, expected: tuple[str, ...]) -> None:
    settings = Settings({"BROWSER_KEY_HASHES": value, "SERVER_KEY_HASHES": value})
    assert (tuple(settings.browser_key_hashes), settings.server_key_hashes) == (expected, expected)
    assert (Settings({}).browser_key_hashes, Settings({}).server_key_hashes) == ({}, ())


def test_browser_and_server_keys_are_not_mixed_up() -> None:
    settings = Settings({"BROWSER_KEY_HASHES": "b", "SERVER_KEY_HASHES": "s"})
    assert (tuple(settings.browser_key_hashes), settings.server_key_hashes) == (("b",), ("s",))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", {"a": set()}),
        ("a@https://shop.example", {"a": {"https://shop.example"}}),
        ("A@HTTPS://Shop.example/, b", {"a": {"https://shop.example"}, "b": set()}),
        ("a@https://x, a@http://y:8080", {"a": {"https://x", "http://y:8080"}}),
        # Once without an origin is good for all.
        ("a@https://x, a", {"a": set()}),
        ("a@", {"a": set()}),
    ],
)
def test_a_browser_key_may_be_good_for_some_origins(value: str, expected: dict[str, set[str]]) -> None:
    assert Settings({"BROWSER_KEY_HASHES": value}).browser_key_hashes == expected


def test_addresses_are_truncated_unless_something_else_is_said() -> None:
    assert Settings({}).ip_addresses == "truncated"
    for kept in ("whole", "truncated", "none"):
        assert Settings({"IP_ADDRESSES": kept}).ip_addresses == kept
    for other in ("", "None", "half"):
        with pytest.raises(
            MissingSettingError, match=r"^IP_ADDRESSES must be whole, truncated or none, not "
        ):
            _ = Settings({"IP_ADDRESSES": other}).ip_addresses


def test_places_need_no_file() -> None:
    assert Settings({}).geoip_database == ""
    assert Settings({"GEOIP_DATABASE": "/opt/cities.mmdb"}).geoip_database == "/opt/cities.mmdb"


@pytest.mark.parametrize(("value", "months"), [("1", 1), ("13", 13), ("240", 240)])
def test_retention_is_counted_in_months(value: str, months: int) -> None:
    assert Settings({"RETENTION_MONTHS": value}).retention_months == months


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", " 1", "²"])
def test_retention_that_is_no_number_of_months_is_refused(value: str) -> None:
    with pytest.raises(MissingSettingError, match=r"^RETENTION_MONTHS must be a whole number from 1, not "):
        _ = Settings({"RETENTION_MONTHS": value}).retention_months
    with pytest.raises(MissingSettingError, match="RETENTION_MONTHS is missing"):
        _ = Settings({}).retention_months


@pytest.mark.parametrize("value", ["1", "4", "256"])
def test_there_is_at_least_one_shard(value: str) -> None:
    assert Settings({"SHARDS": value}).shards == int(value)


@pytest.mark.parametrize("value", ["0", "-4", "257", "4.0", "four"])
def test_another_number_of_shards_is_refused(value: str) -> None:
    with pytest.raises(MissingSettingError, match=r"^SHARDS must be a whole number from 1 to 256, not "):
        _ = Settings({"SHARDS": value}).shards


def test_the_log_level_has_a_default() -> None:
    assert Settings({}).log_level == "INFO"
    assert Settings({"LOG_LEVEL": "DEBUG"}).log_level == "DEBUG"
