"""The operator's room, and `make replay`, which calls it until all is done; AWS is faked at its HTTP edge."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import boto3
import pytest
from moto import mock_aws

from footfall.events import pack
from footfall.http import ADMIN, READ
from functions.ingest.reading import Batch
from functions.ingest.speaking import Speaker
from functions.ingest.taking import context_of, take
from functions.operate import handler
from functions.operate.dead_letters import LOOK_SECONDS, STEP_SECONDS, DeadLetters
from functions.operate.looking import MOST_LETTERS
from local import replay
from tests.asking import answer_of, request
from tests.contract import check
from tests.end_to_end.local_stack import free_port
from tests.lambdas import serving
from tests.samples import load

Step = dict[str, Any]
NOW = datetime.now(UTC)
DONE: Step = {"replayed": 0, "stayed": {}, "left": 0, "after": None, "finished": True}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("INGEST_FUNCTION", "ingest")
    monkeypatch.setenv("SESSION_FUNCTION", "session")
    monkeypatch.setenv("INSIGHTS_FUNCTION", "insights")
    monkeypatch.delenv("AWS_ENDPOINT_URL_SQS", raising=False)
    for cached in (handler._dead_letters, handler._functions):
        cached.cache_clear()
    yield
    for cached in (handler._dead_letters, handler._functions):
        cached.cache_clear()


# ── Dead letters ─────────────────────────────────────────────────────────────────────────────────


class Queues:
    """The queue and its dead-letter queue, in moto."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.main = client.create_queue(QueueName="events")["QueueUrl"]
        self.dead = client.create_queue(QueueName="dead")["QueueUrl"]

    def give_up(self, number: int) -> set[str]:
        bodies = {f"message {one} \U0001f600" for one in range(number)}
        for body in bodies:
            self.client.send_message(QueueUrl=self.dead, MessageBody=body)
        return bodies

    def drained(self, url: str) -> list[str]:
        bodies: list[str] = []
        while found := self.client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in found]
        return bodies


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queues]:
    with mock_aws():
        client = boto3.client("sqs", region_name="eu-central-1")
        made = Queues(client)
        monkeypatch.setenv("QUEUE_URL", made.main)
        monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", made.dead)
        yield made
        client.close()


def test_all_dead_letters_are_sent_back(queues: Queues) -> None:
    bodies = queues.give_up(23)
    answer = handler.lambda_handler(load("operate_replay_dead_letters"), None)
    assert answer == {**DONE, "replayed": 23}
    found = queues.drained(queues.main)
    assert (set(found), len(found)) == (bodies, 23)
    assert handler.lambda_handler(load("operate_replay_dead_letters"), None) == DONE


def test_a_step_ends_in_time_and_the_next_goes_on(queues: Queues) -> None:
    bodies = queues.give_up(13)
    seconds = count(step=int(STEP_SECONDS) - 1)
    letters = DeadLetters(queues.dead, queues.main, clock=lambda: float(next(seconds)))
    assert letters.send_back() == {**DONE, "replayed": 10, "left": 3, "finished": False}
    # Where nobody has seen the end, something may be left.
    assert letters.send_back() == {**DONE, "replayed": 3, "left": 1, "finished": False}
    assert letters.send_back() == DONE
    assert set(queues.drained(queues.main)) == bodies


def test_what_somebody_looks_at_is_waited_for(queues: Queues) -> None:
    bodies = queues.give_up(3)
    letters = DeadLetters(queues.dead, queues.main)
    assert len(letters.look()) == 3
    assert letters.send_back() == {**DONE, "replayed": 3}
    assert set(queues.drained(queues.main)) == bodies


def test_a_message_is_deleted_only_after_it_was_sent(queues: Queues) -> None:
    queues.give_up(3)
    queues.client.delete_queue(QueueUrl=queues.main)
    answer = handler.lambda_handler({"replay": "dead_letters"}, None)
    assert answer.keys() == {"unavailable"}
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = queues.client.get_queue_attributes(QueueUrl=queues.dead, AttributeNames=names)["Attributes"]
    assert sum(map(int, left.values())) == 3


# ── Quarantine ───────────────────────────────────────────────────────────────────────────────────


def test_what_ingest_refused_is_carried_to_it_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = [{"id": "1", "raw": "{}", "received_at": "now", "request": {}}]
    validated = [{"id": "1", "records": []}]
    seen: list[tuple[str, Any]] = []

    def session(event: Any) -> Step:
        seen.append(("session", event))
        if event["replay"] == "validated":
            return {"replayed": 1, "stayed": {"no": 2}, "left": 0, "after": "8"}
        return {"replayed": 3, "stayed": {"no": 1, "never": 1}, "left": 4, "after": "9", "refused": refused}

    def ingest(event: Any) -> Step:
        seen.append(("ingest", event))
        return {"events": validated}

    with serving({"session": session, "ingest": ingest}) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", address)
        answer = handler.lambda_handler({"replay": "quarantine", "after": "5"}, None)
        handler._functions().close()
    assert seen == [
        ("session", {"replay": "quarantine", "after": "5"}),
        ("ingest", {"replay": refused}),
        ("session", {"replay": "validated", "events": validated}),
    ]
    stayed = {"no": 3, "never": 1}
    assert answer == {"replayed": 4, "stayed": stayed, "left": 4, "after": "9", "finished": False}


@pytest.mark.parametrize("away", ["ingest", "validated"])
def test_what_was_stored_is_counted_although_the_rest_of_its_step_is_away(
    monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    stored, lost = iter([1, 0, 0]), 2

    def answer(part: str, found: Step) -> Step:
        nonlocal lost
        if part == away and lost:
            lost -= 1
            return {"unavailable": "asleep"}
        return found

    def session(event: Any) -> Step:
        if event["replay"] == "validated":
            return answer("validated", {"replayed": 1, "stayed": {}, "left": 0, "after": "7"})
        done = {"replayed": next(stored), "stayed": {"no": 1}}
        return {**done, "left": 0, "after": "7", "refused": [{"id": "7"}]}

    rooms = {"session": session, "ingest": lambda _: answer("ingest", {"events": [{"id": "7"}]})}
    pauses: list[float] = []
    with serving(rooms) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", address)
        found = replay.replay(lambda event: handler.lambda_handler(event, None), "quarantine", pauses.append)
        handler._functions().close()
    assert found == (2, {"no": 1})
    assert len(pauses) == 1


def test_a_step_that_ran_out_of_time_goes_on_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def session(event: Any) -> Step:
        if event["replay"] == "validated":
            return {"replayed": 1, "stayed": {"too slow": 1}, "left": 2, "after": "7"}
        return {"replayed": 3, "stayed": {}, "left": 0, "after": "9", "refused": [{"id": "6"}]}

    with serving({"session": session, "ingest": lambda _: {"events": []}}) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", address)
        answer = handler.lambda_handler({"replay": "quarantine"}, None)
        handler._functions().close()
    stayed = {"too slow": 1}
    assert answer == {"replayed": 4, "stayed": stayed, "left": 2, "after": "7", "finished": False}


def fail(_: Any) -> Step:
    raise ValueError("what went wrong")


@pytest.mark.parametrize(
    ("session", "said"),
    [
        (lambda _: {"unavailable": "asleep"}, "session: asleep"),
        (None, "session: ResourceNotFoundException"),
    ],
)
def test_what_is_away_is_said(
    monkeypatch: pytest.MonkeyPatch, session: Callable[[Any], Step] | None, said: str
) -> None:
    with serving({"session": session} if session else {}) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", address)
        answer = handler.lambda_handler({"replay": "quarantine"}, None)
        handler._functions().close()
    assert answer["unavailable"].startswith(said.split(":", 1)[0])
    assert said.split(": ", 1)[1] in answer["unavailable"]


def test_a_function_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({"session": fail}) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", address)
        with pytest.raises(Exception, match="session: what went wrong"):
            handler.lambda_handler({"replay": "quarantine"}, None)
        handler._functions().close()


@pytest.mark.parametrize("event", [{}, {"replay": None}, {"replay": "everything"}])
def test_an_event_that_says_nothing_known_is_refused(event: Any) -> None:
    with pytest.raises(Exception, match="replay: must be dead_letters or quarantine"):
        handler.lambda_handler(event, None)


# ── Over HTTP ────────────────────────────────────────────────────────────────────────────────────

OPERATIONS, REPLAY = "GET /v1/operations", "POST /v1/operations/replay"
HEALTH: dict[str, Any] = {
    "quarantine": {
        "waiting": 2,
        "reasons": [{"reason": "id: is no text", "events": 2}],
        "latest": [
            {
                "received_at": "2026-11-22T10:00:00+00:00",
                "stage": "ingest",
                "reason": "id: is no text",
                "event": '{"id": [], "metadata": {"token": "s3cret", "page": "' + "x" * 1_900,
            }
        ],
    },
    "analyze": {"last_run_at": None, "lag_seconds": None, "tasks": []},
    "freshness": {"last_event_at": "2026-11-22T10:00:00+00:00", "last_live_count_at": None},
    "months": {"made_until": "2027-03-01"},
}


def http(route: str, body: str | None = None, scope: str = ADMIN) -> tuple[int, Any]:
    """Checked against the contract."""
    event = request(route, caller={"sub": "ada", "scope": scope, "kind": "user"}, body=body)
    status, answer = answer_of(handler.lambda_handler(event, None))
    check(route, status, answer)
    return status, answer


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What invoked functions answer, by name; who isn't in it, isn't there."""
    answers: dict[str, Any] = {"insights": lambda _: HEALTH}
    with serving(
        {name: partial(_answer, answers, name) for name in ("insights", "session", "ingest")}
    ) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        yield answers
        handler._functions().close()


def _answer(answers: dict[str, Any], name: str, event: Any) -> Any:
    return answers[name](event)


@pytest.mark.parametrize("route", handler.ROUTES)
@pytest.mark.parametrize("scope", ["", "openid", READ, f"{ADMIN}s"])
def test_who_is_no_admin_is_refused(queues: Queues, rooms: dict[str, Any], route: str, scope: str) -> None:
    queues.give_up(1)
    body = '{"replay": "dead_letters"}' if route == REPLAY else None
    status, answer = http(route, body, scope)
    assert (status, answer["message"]) == (403, f"this needs the scope {ADMIN}")
    assert len(queues.drained(queues.dead)) == 1


def test_operations_are_told(queues: Queues, rooms: dict[str, Any]) -> None:
    queues.client.send_message(QueueUrl=queues.main, MessageBody="waits")
    queues.client.send_message(QueueUrl=queues.main, MessageBody="is written")
    queues.client.receive_message(QueueUrl=queues.main)
    status, answer = http(OPERATIONS)
    behind = answer["queue"].pop("oldest_seconds")
    assert (status, answer["queue"]) == (200, {"waiting": 1, "in_flight": 1})
    stored = datetime.fromisoformat(HEALTH["freshness"]["last_event_at"])
    assert behind == pytest.approx((datetime.now(UTC) - stored).total_seconds(), abs=30)
    assert answer["dead_letters"] == {"waiting": 0, "messages": []}
    assert answer["unavailable"] == []
    for part in ("analyze", "freshness", "months"):
        assert answer[part] == HEALTH[part]
    assert answer["quarantine"]["reasons"] == HEALTH["quarantine"]["reasons"]
    [latest] = answer["quarantine"]["latest"]
    assert (len(latest["event"]), "s3cret" in latest["event"]) == (MOST_LETTERS + 1, False)


def test_of_what_is_just_being_written_no_age_is_known(queues: Queues, rooms: dict[str, Any]) -> None:
    queues.client.send_message(QueueUrl=queues.main, MessageBody="is written")
    queues.client.receive_message(QueueUrl=queues.main)
    assert http(OPERATIONS)[1]["queue"] == {"waiting": 0, "in_flight": 1, "oldest_seconds": None}


def test_a_look_at_dead_letters_leaves_them(queues: Queues, rooms: dict[str, Any]) -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
    server = Speaker("server")
    taken = take(
        Batch([{"user_id": "ada", "event_type": "search", "metadata": {"is": token}}] * 3), server, NOW, NOW
    )
    [body] = pack(context_of({}, NOW, server), taken.records, 2**20, taken.bundles)
    queues.client.send_message(QueueUrl=queues.dead, MessageBody=body)
    queues.client.send_message(QueueUrl=queues.dead, MessageBody="no message" + "x" * 9_999)
    queues.client.send_message(QueueUrl=queues.dead, MessageBody='{"write_key": "abc", "events": 7}')
    before = datetime.now(UTC)
    _, answer = http(OPERATIONS)
    letters = answer["dead_letters"]
    assert letters["waiting"] == 3
    assert [one["events"] for one in letters["messages"]] == [3, None, None]
    shown = [one["body_start"] for one in letters["messages"]]
    assert max(map(len, shown)) == MOST_LETTERS + 1
    assert not any(secret in text for secret in (token, "abc") for text in shown)
    for one in letters["messages"]:
        assert abs(before - datetime.fromisoformat(one["sent_at"])) < timedelta(seconds=9)
    # Those that are being looked at are counted all the same, and soon are there for everybody.
    assert http(OPERATIONS)[1]["dead_letters"]["waiting"] == 3
    time.sleep(LOOK_SECONDS + 0.5)
    assert http(REPLAY, '{"replay": "dead_letters"}') == (200, {**DONE, "replayed": 3})
    assert len(queues.drained(queues.main)) == 3


def test_of_many_dead_letters_ten_are_shown(queues: Queues, rooms: dict[str, Any]) -> None:
    queues.give_up(13)
    letters = http(OPERATIONS)[1]["dead_letters"]
    assert (letters["waiting"], len(letters["messages"])) == (13, 10)


@pytest.mark.parametrize(
    ("away", "said"),
    [(lambda _: {"unavailable": "asleep"}, ["database"]), (fail, ["database"]), (None, [])],
)
def test_a_part_that_is_away_is_named_and_the_others_are_told(
    queues: Queues, rooms: dict[str, Any], away: Any, said: list[str]
) -> None:
    queues.give_up(1)
    if away:
        rooms["insights"] = away
    status, answer = http(OPERATIONS)
    assert (status, answer["unavailable"], answer["dead_letters"]["waiting"]) == (200, said, 1)
    assert (answer["months"]["made_until"] is None) == bool(said)
    assert answer["queue"]["oldest_seconds"] == 0
    queues.client.send_message(QueueUrl=queues.main, MessageBody="waits")
    assert (http(OPERATIONS)[1]["queue"]["oldest_seconds"] is None) == bool(said)


def test_queues_that_are_away_are_named(queues: Queues, rooms: dict[str, Any]) -> None:
    for url in (queues.main, queues.dead):
        queues.client.delete_queue(QueueUrl=url)
    status, answer = http(OPERATIONS)
    assert (status, answer["unavailable"]) == (200, ["queue", "dead_letters"])
    assert answer["queue"]["oldest_seconds"] is None
    assert answer["months"] == HEALTH["months"]


def test_a_replay_goes_step_by_step(queues: Queues, rooms: dict[str, Any]) -> None:
    after = "0190a1b2-0000-7000-8000-000000000000"
    seen = []

    def session(event: Any) -> Step:
        seen.append(event)
        return {"replayed": 3, "stayed": {"no": 1}, "left": 4, "after": after, "refused": []}

    rooms["session"] = session
    status, answer = http(REPLAY, f'{{"replay": "quarantine", "after": "{after}"}}')
    assert (status, answer) == (
        200, {"replayed": 3, "stayed": {"no": 1}, "left": 4, "after": after, "finished": False},
    )  # fmt: skip
    assert seen == [{"replay": "quarantine", "after": after}]


@pytest.mark.parametrize("session", [lambda _: {"unavailable": "asleep"}, fail])
def test_a_replay_that_cannot_be_done_now_is_503(queues: Queues, rooms: dict[str, Any], session: Any) -> None:
    rooms["session"] = session
    status, answer = http(REPLAY, '{"replay": "quarantine"}')
    assert (status, answer["code"]) == (503, "unavailable")
    assert "wrong" not in answer["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "the body isn't JSON"),
        ("{", "the body isn't JSON"),
        ("[" * 100_000, "the body isn't JSON"),
        ("[]", "the body must be as in"),
        ("{}", "replay: must be dead_letters or quarantine"),
        ('{"replay": "all"}', "replay: must be dead_letters or quarantine"),
        ('{"replay": "quarantine", "after": "x"}', "after: must be"),
        ('{"replay": "quarantine", "after": 7}', "after: must be"),
    ],
)
def test_a_replay_of_nothing_known_is_refused(
    queues: Queues, rooms: dict[str, Any], body: str | None, said: str
) -> None:
    status, answer = http(REPLAY, body)
    assert (status, answer["code"]) == (400, "bad_request")
    assert answer["message"].startswith(said)


# ── make replay ──────────────────────────────────────────────────────────────────────────────────


class Operate:
    """Answers with these steps, one after the other, for each kind of replay."""

    def __init__(self, **steps: list[Step]) -> None:
        self._steps = steps
        self.seen: list[tuple[str, Any]] = []

    def __call__(self, event: Any) -> Step:
        self.seen.append((event["replay"], event["after"]))
        return self._steps[event["replay"]].pop(0)


def run(address: str) -> int:
    return replay.main([], {"PORT": address.rpartition(":")[2]})


def test_a_replay_goes_on_until_it_is_finished_and_says_what_stayed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    operate = Operate(
        dead_letters=[{**DONE, "replayed": 1_000, "left": 200, "finished": False}, {**DONE, "replayed": 200}],
        quarantine=[
            {"replayed": 5, "stayed": {"a": 1}, "left": 2, "after": "7", "finished": False},
            {"replayed": 0, "stayed": {"a": 1, "b": 1}, "left": 0, "after": "9", "finished": True},
        ],
    )
    with serving({"OperateFunction": operate}) as address:
        assert run(address) == 0
    assert operate.seen == [
        *(("dead_letters", None), ("dead_letters", None)),
        *(("quarantine", None), ("quarantine", "7")),
    ]
    said = capsys.readouterr()
    assert said.out == (
        "1,200 messages were sent back to the queue; of quarantine 5 were stored, 3 stayed\n"
        "  2 times: a\n  1 times: b\n"
    )
    assert "8/8" in said.err


def test_where_nothing_waits_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({"OperateFunction": Operate(dead_letters=[DONE], quarantine=[DONE])}) as address:
        assert run(address) == 0
    assert capsys.readouterr().out.startswith("nothing is to be replayed")


def test_without_a_stack_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    assert replay.main([], {"PORT": str(port)}) == 1
    said = f"replay: no stack answers at http://127.0.0.1:{port}: start it with `make run`, or set PORT"
    assert said in capsys.readouterr().err


def test_a_step_that_fails_ends_the_replay(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({"OperateFunction": fail}) as address:
        assert run(address) == 1
    assert "replay: what went wrong; the log says more\n" in capsys.readouterr().err


def test_what_is_away_is_waited_for_but_not_for_ever() -> None:
    away: Step = {"unavailable": "the database sleeps"}
    pauses: list[float] = []
    operate = Operate(quarantine=[away, away, {**DONE, "replayed": 1}])
    assert replay.replay(operate, "quarantine", pauses.append)[0] == 1
    assert pauses == [replay.PAUSE_SECONDS] * 2
    operate = Operate(quarantine=[away] * 100)
    with pytest.raises(replay.ReplayError, match="the database sleeps"):
        replay.replay(operate, "quarantine", pauses.append)
    assert sum(pauses) == replay.PATIENCE_SECONDS + 2 * replay.PAUSE_SECONDS


def test_a_deployed_stack_is_found_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operate = Operate(dead_letters=[DONE], quarantine=[{**DONE, "replayed": 2}])
    with serving({"ours-operate-1": operate}, {"OperateFunction": "ours-operate-1"}) as address:
        for service in ("LAMBDA", "CLOUDFORMATION"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", address)
        assert replay.main(["ours"], {}) == 0
        assert replay.main(["another"], {}) == 1
    assert len(operate.seen) == 2
    said = capsys.readouterr()
    assert "of quarantine 2 were stored" in said.out
    assert "replay: the stack another can't be asked" in said.err
