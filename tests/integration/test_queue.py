"""The durable store of the local queue, in process and on a clock of its own."""

import asyncio
import contextlib
import json
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from local.queue.rules import (
    ARN_PREFIX,
    InvalidAttributeNameError,
    InvalidAttributeValueError,
    InvalidParameterValueError,
    MessageNotInflightError,
    ReceiptHandleIsInvalidError,
)
from local.queue.store import SQL, Message, Queue, QueueDoesNotExistError, QueueStore, QueueStoreError


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[QueueStore]:
    store = QueueStore(tmp_path / "queue.sqlite", clock)
    yield store
    store.close()


def bodies(messages: list[Message]) -> list[str]:
    return [message.body for message in messages]


def redrive_to(name: str, receives: int) -> dict[str, str]:
    policy = {"deadLetterTargetArn": ARN_PREFIX + name, "maxReceiveCount": receives}
    return {"RedrivePolicy": json.dumps(policy)}


def test_messages_come_in_the_order_in_which_they_became_visible(store: QueueStore, clock: Clock) -> None:
    queue = store.create("q", {})
    queue.send("late", delay_seconds=2)
    for body in ("a", "b"):
        queue.send(body)
    [returned] = queue.receive_now(1)
    clock.advance(1)
    queue.change_visibility(returned.receipt_handle, 0)
    clock.advance(2)
    assert bodies(queue.receive_now(10)) == ["b", "a", "late"]


def test_a_message_is_hidden_for_its_timeout_exactly(store: QueueStore, clock: Clock) -> None:
    queue = store.create("q", {"VisibilityTimeout": "120"})
    queue.send("a")
    assert bodies(queue.receive_now(1)) == ["a"]
    clock.advance(119)
    assert queue.receive_now(1) == []
    clock.advance(1)
    assert bodies(queue.receive_now(1)) == ["a"]


def test_visibility_can_be_prolonged(store: QueueStore, clock: Clock) -> None:
    queue = store.create("q", {})
    queue.send("a")
    [message] = queue.receive_now(1)
    clock.advance(20)
    queue.change_visibility(message.receipt_handle, 30)
    clock.advance(29)
    assert queue.receive_now(1) == []
    clock.advance(1)
    with pytest.raises(MessageNotInflightError):
        queue.change_visibility(message.receipt_handle, 30)
    assert bodies(queue.receive_now(1)) == ["a"]
    with pytest.raises(InvalidParameterValueError, match="does not exist"):
        queue.change_visibility(message.receipt_handle, 30)


def test_a_receipt_of_another_queue_is_refused(store: QueueStore) -> None:
    queue, other = store.create("q", {}), store.create("other", {})
    queue.send("a")
    [message] = queue.receive_now(1)
    for handle in (message.receipt_handle, "", "é", "AAAA", message.receipt_handle[:-8]):
        with pytest.raises(ReceiptHandleIsInvalidError):
            other.delete(handle)


def test_a_receipt_never_deletes_a_later_message(store: QueueStore) -> None:
    queue = store.create("q", {})
    queue.send("a")
    [gone] = queue.receive_now(1)
    queue.delete(gone.receipt_handle)
    queue.send("b")
    [kept] = queue.receive_now(1, visibility_timeout=0)
    queue.delete(gone.receipt_handle)
    assert [message.id for message in queue.receive_now(1)] == [kept.id]


def test_many_are_received_at_once(store: QueueStore) -> None:
    queue = store.create("q", {})
    with store.transaction():
        for index in range(12_000):
            queue.send(str(index))
    first, second = queue.receive_now(10_000), queue.receive_now(10_000)
    assert bodies(first + second) == [str(index) for index in range(12_000)]


def test_a_dead_letter_keeps_what_it_was(store: QueueStore, clock: Clock) -> None:
    dead = store.create("dead", {"MessageRetentionPeriod": "1209600"})
    queue = store.create("q", redrive_to("dead", receives=2))
    attributes = {"kind": {"DataType": "String", "StringValue": "k"}}
    sent = queue.send("poison", message_attributes=attributes)
    queue.send("good")
    sent_at = str(int(clock() * 1000))
    for _ in range(2):
        assert queue.receive_now(1, visibility_timeout=0)[0].id == sent.id
    assert bodies(queue.receive_now(1)) == ["good"]
    clock.advance(86_400)
    [moved] = dead.receive_now(10)
    assert (moved.id, moved.body, moved.message_attributes) == (sent.id, "poison", attributes)
    assert (
        moved.attributes["SentTimestamp"] == moved.attributes["ApproximateFirstReceiveTimestamp"] == sent_at
    )
    assert moved.attributes["ApproximateReceiveCount"] == "3"
    assert moved.attributes["DeadLetterQueueSourceArn"] == queue.arn


def test_dead_letters_do_not_stand_in_the_way(store: QueueStore) -> None:
    dead = store.create("dead", {})
    queue = store.create("q", redrive_to("dead", receives=1))
    for index in range(25):
        queue.send(f"poison {index}")
    queue.receive_now(25, visibility_timeout=0)
    queue.send("good")
    assert bodies(queue.receive_now(3)) == ["good"]
    assert len(dead.receive_now(100)) == 25


def test_a_chained_dead_letter_queue_counts_its_own_receives(store: QueueStore) -> None:
    last = store.create("last", {})
    dead = store.create("dead", redrive_to("last", receives=2))
    queue = store.create("q", redrive_to("dead", receives=2))
    queue.send("poison")
    assert [len(queue.receive_now(1, visibility_timeout=0)) for _ in range(3)] == [1, 1, 0]
    assert [len(dead.receive_now(1, visibility_timeout=0)) for _ in range(3)] == [1, 1, 0]
    assert bodies(last.receive_now(1)) == ["poison"]


def test_without_its_dead_letter_queue_a_queue_keeps_its_messages(store: QueueStore) -> None:
    queue = store.create("q", redrive_to("nowhere", receives=1))
    queue.send("a")
    for _ in range(3):
        assert bodies(queue.receive_now(1, visibility_timeout=0)) == ["a"]


def test_messages_expire_by_when_they_were_sent(store: QueueStore, clock: Clock) -> None:
    dead = store.create("dead", {"MessageRetentionPeriod": "7200"})
    queue = store.create("q", {"MessageRetentionPeriod": "3600", **redrive_to("dead", receives=1)})
    queue.send("moved")
    queue.receive_now(1, visibility_timeout=0)
    queue.send("waiting")
    clock.advance(3600)
    assert bodies(queue.receive_now(1)) == ["waiting"]
    clock.advance(1)
    assert queue.attributes()["ApproximateNumberOfMessagesNotVisible"] == "0"
    assert bodies(dead.receive_now(1, visibility_timeout=0)) == ["moved"]
    clock.advance(3600)
    assert dead.receive_now(1) == []


def test_attributes_count_what_is_there(store: QueueStore) -> None:
    queue = store.create("q", {"VisibilityTimeout": "7"})
    for index in range(6):
        queue.send(str(index))
    queue.send("delayed", delay_seconds=9)
    queue.receive_now(2)
    attributes = queue.attributes()
    names = ("Messages", "MessagesNotVisible", "MessagesDelayed")
    assert [attributes[f"ApproximateNumberOf{name}"] for name in names] == ["4", "2", "1"]
    assert (attributes["QueueArn"], attributes["VisibilityTimeout"]) == (f"{ARN_PREFIX}q", "7")


def test_create_sets_exactly_the_attributes_given(store: QueueStore) -> None:
    queue = store.create("q", {"VisibilityTimeout": "7"})
    queue.send("kept")
    assert store.create("q", {"DelaySeconds": "1"}) is queue
    assert queue.attributes()["VisibilityTimeout"] == "30"
    assert bodies(queue.receive_now(1)) == ["kept"]


@pytest.mark.parametrize(
    ("attributes", "error", "says"),
    [
        ({"VisibilityTimeout": "43201"}, InvalidAttributeValueError, "VisibilityTimeout"),
        ({"DelaySeconds": "9" * 5000}, InvalidAttributeValueError, "DelaySeconds"),
        ({"Colour": "red"}, InvalidAttributeNameError, "Colour"),
        ({"RedrivePolicy": "["}, InvalidAttributeValueError, "RedrivePolicy"),
        (redrive_to("q", receives=0), InvalidAttributeValueError, "maxReceiveCount 0"),
        (
            {"RedrivePolicy": '{"deadLetterTargetArn": "x", "maxReceiveCount": 1}'},
            InvalidAttributeValueError,
            "x",
        ),
    ],
)
def test_wrong_attributes_make_no_queue(
    store: QueueStore, attributes: dict[str, str], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        store.create("q", attributes)
    with pytest.raises(QueueDoesNotExistError, match="'q'"):
        store.get("q")
    store.create("q", {})


# ── Durable ──────────────────────────────────────────────────────────────────────────────────────


def test_a_store_is_found_again_as_it_was_left(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "deeper" / "queue.sqlite"
    with contextlib.closing(QueueStore(path, clock)) as store:
        queue = store.create("q", {"VisibilityTimeout": "600", **redrive_to("dead", 3)})
        store.create("dead", {})
        for body in ("in flight", "visible"):
            queue.send(body)
        queue.send("delayed", delay_seconds=60)
        queue.receive_now(1)
        expected = queue.attributes()
    with contextlib.closing(QueueStore(path, clock)) as store:
        assert store.names() == ["dead", "q"]
        queue = store.get("q")
        assert queue.attributes() == expected
        assert store.release_in_flight() == 1
        assert bodies(queue.receive_now(10)) == ["in flight", "visible"]


def test_one_process_holds_a_store(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    with contextlib.closing(QueueStore(path)), pytest.raises(QueueStoreError, match="one process"):
        QueueStore(path)
    QueueStore(path).close()


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    path.write_bytes(b"something else" * 100)
    with pytest.raises(QueueStoreError, match=r"queue\.sqlite"):
        QueueStore(path)


def test_a_batch_is_stored_whole_or_not_at_all(store: QueueStore) -> None:
    queue = store.create("q", {})
    with contextlib.suppress(KeyboardInterrupt), store.transaction():
        queue.send("a")
        raise KeyboardInterrupt
    assert queue.receive_now(1) == []


def test_threads_share_a_store(store: QueueStore) -> None:
    queue = store.create("q", {})
    received: list[str] = []

    def work(number: int) -> None:
        for index in range(50):
            queue.send(f"{number} {index}")
            received.extend(bodies(queue.receive_now(1)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    received.extend(bodies(queue.receive_now(1000)))
    assert sorted(received) == sorted(f"{number} {index}" for number in range(4) for index in range(50))


# ── Flat under backlog ───────────────────────────────────────────────────────────────────────────


def steps(store: QueueStore, work: Callable[[], object]) -> int:
    """How many instructions SQLite runs for `work`."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    with store.transaction() as database:
        database.set_progress_handler(step, 1)
        work()
        database.set_progress_handler(None, 1)
    return count


def fill(queue: Queue, store: QueueStore, number: int) -> None:
    with store.transaction():
        for index in range(number):
            queue.send(f"message {index}")


def test_a_receive_works_no_harder_with_a_backlog(store: QueueStore) -> None:
    store.create("dead", {})
    queue = store.create("q", redrive_to("dead", receives=5))
    works: list[Callable[[], object]] = [
        lambda: queue.receive_now(1),
        lambda: queue.receive_now(5),
        lambda: queue.delete(queue.receive_now(1)[0].receipt_handle),
        lambda: queue.send("one more"),
        lambda: asyncio.run(queue.receive(1, 0)),
    ]
    fill(queue, store, 20)
    few = [steps(store, work) for work in works]
    fill(queue, store, 20_000)
    queue.receive_now(5000)
    many = [steps(store, work) for work in works]
    assert all(after <= before * 1.2 + 10 for before, after in zip(few, many, strict=True)), (few, many)


@pytest.mark.parametrize("name", ["next", "exhausted", "first", "find", "delete", "expire", "hide", "move"])
def test_a_statement_seeks_and_never_scans(store: QueueStore, name: str) -> None:
    statement = SQL[name]
    with store.transaction() as database:
        plan = database.execute(f"EXPLAIN QUERY PLAN {statement}", (1,) * statement.count("?")).fetchall()
    details = [row[3] for row in plan]
    assert any("SEARCH" in detail for detail in details)
    assert not any("SCAN messages" in detail or "TEMP B-TREE" in detail for detail in details), details


# ── Waiting ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def waking(tmp_path: Path) -> Iterator[QueueStore]:
    """A store on the real clock, as those who wait need it."""
    store = QueueStore(tmp_path / "waking.sqlite")
    yield store
    store.close()


async def received(queue: Queue, act: Callable[[], object]) -> list[str]:
    """What a receive that waits a minute gets from what is done after it began."""
    waiting = asyncio.create_task(queue.receive(10, 60))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    act()
    return bodies(await asyncio.wait_for(waiting, 30))


def test_a_send_wakes_who_waits(waking: QueueStore) -> None:
    queue = waking.create("q", {})
    assert asyncio.run(received(queue, lambda: queue.send("a"))) == ["a"]


def test_a_send_from_another_thread_wakes_who_waits(waking: QueueStore) -> None:
    queue = waking.create("q", {})
    assert asyncio.run(received(queue, threading.Timer(0.05, queue.send, ["a"]).start)) == ["a"]


def test_a_message_that_becomes_visible_wakes_who_waits(waking: QueueStore) -> None:
    queue = waking.create("q", {})
    assert asyncio.run(received(queue, lambda: queue.send("a", delay_seconds=1))) == ["a"]


def test_a_message_given_back_wakes_who_waits(waking: QueueStore) -> None:
    queue = waking.create("q", {})
    queue.send("a")
    [message] = queue.receive_now(1, visibility_timeout=600)
    assert asyncio.run(received(queue, lambda: queue.change_visibility(message.receipt_handle, 0))) == ["a"]


def test_messages_released_wake_who_waits(waking: QueueStore) -> None:
    queue = waking.create("q", {})
    queue.send("a")
    queue.receive_now(1, visibility_timeout=600)
    assert asyncio.run(received(queue, waking.release_in_flight)) == ["a"]


def test_a_dead_letter_wakes_who_waits_for_it(waking: QueueStore) -> None:
    dead = waking.create("dead", {})
    queue = waking.create("q", redrive_to("dead", receives=1))
    queue.send("a")
    queue.receive_now(1, visibility_timeout=0)
    assert asyncio.run(received(dead, lambda: queue.receive_now(1))) == ["a"]


def test_several_wait_and_each_message_goes_to_one(waking: QueueStore) -> None:
    queue = waking.create("q", {})

    async def scenario() -> list[str]:
        waiting = [asyncio.create_task(queue.receive(1, 60)) for _ in range(5)]
        await asyncio.sleep(0.05)
        for index in range(5):
            queue.send(str(index))
        return [body for messages in await asyncio.gather(*waiting) for body in bodies(messages)]

    assert sorted(asyncio.run(scenario())) == list("01234")


def test_who_stops_waiting_takes_nothing(waking: QueueStore) -> None:
    queue = waking.create("q", {})

    async def scenario() -> None:
        waiting = asyncio.create_task(queue.receive(1, 60))
        await asyncio.sleep(0.05)
        queue.send("a")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(scenario())
    assert bodies(queue.receive_now(1)) == ["a"]


# ── Nothing lost, nothing twice ──────────────────────────────────────────────────────────────────


class QueueMachine(RuleBasedStateMachine):
    """Random use of a queue with restarts, against a plain dictionary that says when each is visible."""

    receipts: Bundle[tuple[str, int, str]] = Bundle("receipts")

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.visible_at: dict[str, float] = {}
        self.receives: dict[str, int] = {}
        self.deleted: set[str] = set()
        self.open()
        self.store.create("q", {"VisibilityTimeout": "10"})
        self.queue = self.store.get("q")

    def open(self) -> None:
        self.store = QueueStore(Path(self.folder.name) / "queue.sqlite", self.clock)

    @rule(delay=st.integers(0, 5))
    def send(self, delay: int) -> None:
        sent = self.queue.send("body", delay_seconds=delay)
        self.visible_at[sent.id] = self.clock() + delay
        self.receives[sent.id] = 0

    @rule(target=receipts, limit=st.integers(1, 5), timeout=st.integers(0, 9) | st.none())
    def receive(self, limit: int, timeout: int | None) -> MultipleResults[tuple[str, int, str]]:
        due = [key for key, visible_at in self.visible_at.items() if visible_at <= self.clock()]
        messages = self.queue.receive_now(limit, timeout)
        ids = [message.id for message in messages]
        assert len(set(ids)) == len(ids) == min(limit, len(due))
        assert set(ids) <= set(due)
        for key in ids:
            self.receives[key] += 1
            self.visible_at[key] = self.clock() + (10 if timeout is None else timeout)
        assert [message.attributes["ApproximateReceiveCount"] for message in messages] == [
            str(self.receives[key]) for key in ids
        ]
        return multiple(*((m.id, self.receives[m.id], m.receipt_handle) for m in messages))

    @rule(receipt=receipts)
    def delete(self, receipt: tuple[str, int, str]) -> None:
        key, received, handle = receipt
        self.queue.delete(handle)
        if self.receives.get(key) == received:
            del self.visible_at[key], self.receives[key]

    @rule(receipt=receipts, seconds=st.integers(0, 20))
    def change(self, receipt: tuple[str, int, str], seconds: int) -> None:
        key, received, handle = receipt
        if self.receives.get(key) == received and self.visible_at[key] > self.clock():
            self.queue.change_visibility(handle, seconds)
            self.visible_at[key] = self.clock() + seconds
        else:
            with pytest.raises((InvalidParameterValueError, MessageNotInflightError)):
                self.queue.change_visibility(handle, seconds)

    @rule(seconds=st.integers(1, 12))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(release=st.booleans())
    def restart(self, release: bool) -> None:
        self.store.close()
        self.open()
        self.queue = self.store.get("q")
        if release:
            in_flight = [key for key in self.visible_at if self.hidden(key) and self.receives[key]]
            assert self.store.release_in_flight() == len(in_flight)
            self.visible_at |= dict.fromkeys(in_flight, self.clock())

    def hidden(self, key: str) -> bool:
        return self.visible_at[key] > self.clock()

    @invariant()
    def every_message_is_counted_once(self) -> None:
        attributes = self.queue.attributes()
        hidden = [key for key in self.visible_at if self.hidden(key)]
        in_flight = sum(self.receives[key] > 0 for key in hidden)
        assert attributes["ApproximateNumberOfMessages"] == str(len(self.visible_at) - len(hidden))
        assert attributes["ApproximateNumberOfMessagesNotVisible"] == str(in_flight)
        assert attributes["ApproximateNumberOfMessagesDelayed"] == str(len(hidden) - in_flight)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_failing_disk_is_not_answered_as_sent(store: QueueStore) -> None:
    queue = store.create("q", {})
    with store.transaction() as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        queue.send("x" * 100_000)
    store._database.execute("PRAGMA max_page_count = 1000000")
    assert queue.receive_now(1) == []
    queue.send("fits")
    assert bodies(queue.receive_now(1)) == ["fits"]
