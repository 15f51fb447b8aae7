"""Promise 3: whose an event is, and whose it never becomes."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.writing import VISITOR, Writer, at, identify, message, record, user, writer_of

ADA, GRACE = user("ada"), user("grace")
OTHER = "0d9c5a7e-2f4b-4c3d-9e8f-7a6b5c4d3e02"
OWNERS = "SELECT user_id, is_linked FROM user_activities ORDER BY created_at, id"


@pytest.fixture
def writer(database_url: str) -> Iterator[Writer]:
    with writer_of(database_url) as opened:
        yield opened


def test_history_becomes_the_users_on_identify(writer: Writer) -> None:
    writer.write(message(record(created_at=at(-50)), record("interaction"), received=10))
    assert writer.rows("SELECT * FROM profiles") == []
    writer.write(message(identify("ada", created_at=at(30)), received=30))
    assert writer.rows(OWNERS) == [(ADA, True), (ADA, True)]
    assert writer.one("SELECT user_id, is_linked FROM content_interactions") == (ADA, True)
    assert writer.one("SELECT user_id, is_linked FROM user_sessions") == (ADA, True)
    assert writer.one("SELECT id, activity_count, first_seen_at, created_at, last_seen_at FROM profiles") == (
        *(ADA, 2, at(-50), at(-50), at(30)),
    )


def test_after_the_tie_no_token_is_needed(writer: Writer) -> None:
    writer.write(message(identify("ada"), received=10))
    writer.write(message(record(), received=20))
    assert writer.rows(OWNERS) == [(ADA, True)]
    assert writer.one("SELECT activity_count FROM profiles") == (1,)


@pytest.mark.parametrize("claim", [{"verified": None}, {"anonymous_id": None}])
def test_only_a_token_with_the_visitor_ties(writer: Writer, claim: dict[str, None]) -> None:
    writer.write(message(identify("ada", **claim), record()))
    assert writer.rows("SELECT * FROM identities") == []
    assert writer.rows(OWNERS) == [(None, False)]


def test_a_page_cannot_set_the_traits_of_whom_it_is_tied_to(writer: Writer) -> None:
    writer.write(message(identify("ada", traits={"plan": "free"}), received=10))
    page = record("identify", traits={"plan": "team", "profile_completeness": 99}, created_at=at(50))
    writer.write(message(page, received=60))
    assert writer.rows("SELECT owner_id, value FROM traits WHERE key = 'plan' ORDER BY value") == [
        (ADA, "free"),
        (VISITOR, "team"),
    ]
    assert writer.one("SELECT profile_completeness, last_seen_at FROM profiles") == (None, at())


def test_a_page_that_calls_itself_by_a_users_id_touches_nothing_of_the_user(writer: Writer) -> None:
    own: dict[str, Any] = {
        "anonymous_id": None,
        "user_id": ADA,
        "session_id": "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
    }
    writer.write(message(record("identify", **own, traits={"profile_completeness": 90, "skills": ["sql"]})))
    writer.write(message(record(**own, page_path="/mine"), received=10))
    everything = (
        "SELECT visitor_id, id, user_id, page_views, exit_page FROM user_sessions WHERE visitor_is_user",
        "SELECT key, value, set_at FROM traits WHERE owner_is_user ORDER BY key",
        "SELECT id, profile_completeness, created_at, activity_count FROM profiles",
    )
    before = [writer.rows(query) for query in everything]
    assert all(before)

    forged: dict[str, Any] = {"anonymous_id": ADA, "session_id": own["session_id"], "created_at": at(80_000)}
    traits = {"profile_completeness": 1, "created_at": at(70_000), "skills": ["forgery"]}
    writer.write(message(record("identify", **forged, traits=traits), record(**forged, page_path="/evil")))
    writer.write(message(identify("grace", anonymous_id=ADA), received=90))
    writer.write(message(record("identify", **own, traits={}), received=100))

    assert [writer.rows(query) for query in everything[:2]] == before[:2]
    assert writer.rows(everything[2] + f" WHERE id = '{ADA}'") == before[2]


def test_a_shared_id_is_anonymous_from_then_on(writer: Writer) -> None:
    writer.write(message(record(created_at=at(1)), received=10))
    writer.write(message(identify("ada"), received=20))
    writer.write(message(record(created_at=at(21)), received=21))
    writer.write(message(identify("grace"), received=30))
    writer.write(message(record(created_at=at(31)), received=31))
    writer.write(message(record(created_at=at(32), user_id=GRACE, verified=True), received=32))
    assert writer.rows(OWNERS) == [(ADA, True), (ADA, True), (None, False), (GRACE, False)]
    assert writer.rows("SELECT id, activity_count FROM profiles ORDER BY activity_count") == [
        (GRACE, 1),
        (ADA, 2),
    ]


def test_a_second_claim_takes_back_what_came_after_it(writer: Writer) -> None:
    """The queue delivered what followed the second identify before it."""
    writer.write(message(identify("ada", created_at=at(20)), received=20))
    writer.write(message(record(created_at=at(-60), time_zone="Asia/Tokyo"), received=31))
    assert writer.one("SELECT first_seen_at, time_zone FROM profiles") == (at(-60), "Asia/Tokyo")
    writer.write(message(identify("grace", created_at=at(30)), received=30))
    assert writer.rows(OWNERS) == [(None, False)]
    assert writer.one("SELECT user_id, is_linked FROM user_sessions") == (None, False)
    assert writer.one(
        "SELECT activity_count, first_seen_at, created_at, last_seen_at, time_zone FROM profiles"
        f" WHERE id = '{ADA}'"
    ) == (0, at(20), at(20), at(20), None)


def test_an_older_claim_that_comes_late_owns_the_history(writer: Writer) -> None:
    writer.write(message(record(), record("interaction"), received=10))
    writer.write(message(identify("grace"), received=30))
    assert writer.rows(OWNERS) == [(GRACE, True), (GRACE, True)]
    writer.write(message(identify("ada"), received=20))
    assert writer.rows(OWNERS) == [(ADA, True), (ADA, True)]
    assert writer.one("SELECT user_id FROM content_interactions") == (ADA,)
    assert writer.one("SELECT user_id FROM user_sessions") == (ADA,)
    assert writer.rows("SELECT id, activity_count FROM profiles ORDER BY activity_count") == [
        (GRACE, 0),
        (ADA, 2),
    ]


def test_what_a_user_did_by_name_never_becomes_anothers(writer: Writer) -> None:
    writer.write(message(record(user_id=GRACE, verified=True, created_at=at(1)), received=10))
    writer.write(message(record(created_at=at(2)), identify("ada"), received=20))
    assert writer.rows(OWNERS) == [(GRACE, False), (ADA, True)]
    assert writer.one("SELECT user_id, is_linked FROM user_sessions") == (GRACE, False)


def test_one_user_may_have_many_visitors_and_no_user_is_merged_into_another(writer: Writer) -> None:
    writer.write(message(record(created_at=at(1)), record(created_at=at(2), anonymous_id=OTHER), received=10))
    writer.write(message(identify("ada"), identify("ada", anonymous_id=OTHER), received=20))
    writer.write(message(identify("grace", anonymous_id=OTHER), received=30))
    writer.write(message(record(created_at=at(3)), record(created_at=at(4), anonymous_id=OTHER), received=40))
    assert writer.rows(OWNERS) == [(ADA, True), (ADA, True), (ADA, True), (None, False)]
    assert writer.rows("SELECT id, activity_count FROM profiles ORDER BY activity_count") == [
        (GRACE, 0),
        (ADA, 3),
    ]


def test_a_claim_that_is_known_rewrites_no_history(writer: Writer) -> None:
    writer.write(message(identify("ada"), record(), received=10))
    before = writer.rows("SELECT xmin FROM user_activities")
    writer.write(message(identify("ada"), received=20))
    assert writer.rows("SELECT xmin FROM user_activities") == before
    assert writer.one("SELECT verified_at, confirmed_at FROM identities") == (at(10), at(20))


@pytest.mark.parametrize(
    ("before", "whose"),
    [
        ([record(user_id=user("ada"))], (user("ada"), False)),
        ([identify("ada"), record()], (user("ada"), True)),
        ([record()], (user("grace"), False)),
    ],
    ids=["named", "linked", "nobody's"],
)
def test_a_session_that_the_code_before_wrote_stays_whose_it_was(
    writer: Writer, before: list[Any], whose: tuple[str, bool]
) -> None:
    writer.write(message(*before, received=10))
    writer.execute(
        """
        UPDATE user_sessions SET unnamed_at = NULL, identified_user_id = NULL,
            identified_at = CASE WHEN identified_user_id IS NOT NULL THEN started_at - interval '1 day' END
        """
    )
    writer.write(message(record(user_id=user("grace")), received=20))
    session = "SELECT user_id::text, is_linked FROM user_sessions"
    assert writer.one(session) == whose
    writer.write(message(record(), received=30))
    assert writer.one(session) == whose


def test_a_session_that_the_code_before_wrote_follows_a_tie(writer: Writer) -> None:
    writer.write(message(record(), received=10))
    writer.execute("UPDATE user_sessions SET unnamed_at = NULL")
    writer.write(message(identify("ada", session_id=None), received=20))
    assert writer.one("SELECT user_id::text, is_linked FROM user_sessions") == (user("ada"), True)
