"""Keys are compared by digest, in a time that tells nothing."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall import keys


def test_the_digest_is_what_an_operator_computes() -> None:
    assert keys.digest("sample") == hashlib.sha256(b"sample").hexdigest()
    assert keys.digest("ä") == hashlib.sha256(b"\xc3\xa4").hexdigest()


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
def test_a_key_matches_its_own_digest_alone(one: str, other: str) -> None:
    assert keys.matches(one, [keys.digest(one)])
    assert keys.matches(one, [keys.digest(other), keys.digest(one).upper()])
    assert keys.matches(one, [keys.digest(other)]) == (one == other)
    assert not keys.matches(one, [])
    assert not keys.matches(keys.digest(one), [keys.digest(one)])


@pytest.mark.parametrize("key", ["first", "second", "third", "none of them"])
def test_every_known_digest_is_compared_wherever_the_match_stands(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [keys.digest(name) for name in ("first", "second", "third")]
    compared: list[str] = []
    compare = hmac.compare_digest

    def counting(presented: str, digest: str) -> bool:
        compared.append(digest)
        return compare(presented, digest)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    assert keys.matches(key, known) == (key != "none of them")
    assert compared == known
