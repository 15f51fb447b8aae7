"""Ids: UUIDs are kept, names are mapped for ever to the same UUID, junk is recognized."""

import re
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall import ids

A = "7d2f8a1e-54c3-4b6f-9a0e-1c2d3e4f5a6b"
KINDS: tuple[ids.Kind, ...] = ("user", "anonymous", "session", "content", "event", "feed")
TEXTS = st.text(min_size=1, max_size=ids.MAX_LENGTH)


def test_a_uuid_is_kept_in_lower_case_whatever_it_names() -> None:
    for kind in KINDS:
        assert ids.to_uuid(kind, A) == ids.to_uuid(kind, A.upper()) == A


# What is stored under these is found again only as long as they stay.
@pytest.mark.parametrize(
    ("kind", "name", "mapped"),
    [
        ("user", "ada", "ca7877c6-30b4-5bdb-aeb2-ac14f1c4dfff"),
        ("anonymous", "ada", "f138c9db-64cb-5564-b9f4-2a5fd7b58aa4"),
        ("content", "42", "1a941424-1d62-5963-a5ea-149c60ccaabe"),
        ("event", "node-next-1-ünï", "a3b2ba8f-9186-5662-9dc7-e5989df22d0d"),
    ],
)
def test_a_name_is_mapped_to_the_same_uuid_for_ever(kind: ids.Kind, name: str, mapped: str) -> None:
    assert ids.to_uuid(kind, name) == mapped


@given(TEXTS, TEXTS, st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_names_and_kinds_are_told_apart(one: str, other: str, kind: ids.Kind, other_kind: ids.Kind) -> None:
    kept = ids.is_kept(kind, one) and ids.is_kept(other_kind, other)
    same = (one, kind) == (other, other_kind) or (kept and one.lower() == other.lower())
    assert (ids.to_uuid(kind, one) == ids.to_uuid(other_kind, other)) == same
    mapped = uuid.UUID(ids.to_uuid(kind, one))
    assert ids.is_kept(kind, one) or (mapped.version, mapped.variant) == (5, uuid.RFC_4122)


def test_a_session_cannot_be_called_by_an_id_that_the_server_makes() -> None:
    made = "0d9c5a7e-2f4b-8c3d-9e8f-7a6b5c4d3e02"
    assert ids.to_uuid("anonymous", made) == made
    assert uuid.UUID(ids.to_uuid("session", made)).version == 5


@given(st.uuids(), st.booleans())
def test_every_uuid_is_known_as_one(value: uuid.UUID, upper: bool) -> None:
    text = str(value).upper() if upper else str(value)
    assert ids.is_uuid(text)
    assert ids.to_uuid("event", text) == str(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        A[:-1],
        A + "0",
        A.replace("-", ""),
        "{" + A + "}",
        f"urn:uuid:{A}",
        A + "\n",
        A.replace("7", "\u0667"),
        "g" + A[1:],
    ],
)
def test_what_only_looks_like_a_uuid_is_a_name(text: str) -> None:
    assert not ids.is_uuid(text)
    assert ids.to_uuid("user", text) != text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "0",
        "null",
        "NULL",
        " undefined\n",
        "None",
        "nil",
        "NaN",
        "true",
        "False",
        "[object Object]",
        "{}",
        str(uuid.UUID(int=0)),
    ],
)
def test_placeholders_for_nobody_are_junk(text: str) -> None:
    assert ids.is_junk(text)


@pytest.mark.parametrize("text", ["1", "00", "nobody", "nullable", "ada", A, "-"])
def test_other_names_are_not(text: str) -> None:
    assert not ids.is_junk(text)


@given(st.integers(0, 2**48 - 1))
def test_the_layout_of_a_version_7_uuid(milliseconds: int) -> None:
    text = ids.uuid7(milliseconds)
    value = uuid.UUID(text)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", text)
    assert value.int >> 80 == milliseconds
    assert (value.version, value.variant) == (7, uuid.RFC_4122)


def test_version_7_uuids_follow_time_and_are_random_below_it() -> None:
    assert ids.uuid7(1) < ids.uuid7(2) < ids.uuid7(2**47) < ids.uuid7(2**48 - 1)
    made = [uuid.UUID(ids.uuid7(7)).int for _ in range(2000)]
    assert len(set(made)) == 2000
    # Of the 80 bits below the time, all but version and variant are thrown anew.
    thrown = 0
    for value in made:
        thrown |= value ^ made[0]
    assert thrown == (1 << 80) - 1 - (0xF << 76) - (0x3 << 62)


def test_without_a_time_it_is_now() -> None:
    before = int(time.time() * 1000)
    stamp = uuid.UUID(ids.uuid7()).int >> 80
    assert before <= stamp <= int(time.time() * 1000)
