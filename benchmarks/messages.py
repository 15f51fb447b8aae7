"""From requests to the bodies that wait in the queue, as ingest makes them, and from those to batches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from benchmarks.traffic import Sent
from footfall.bundles import records_of
from footfall.events import pack, unpack
from functions.ingest.reading import read
from functions.ingest.sending import MAX_MESSAGE_BYTES
from functions.ingest.taking import context_of, take

# What a server may send; as long as the months that the benchmarks' databases keep.
OLDEST = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Batch:
    """What wakes the consumer once: bodies by message id, and how many events that is."""

    messages: dict[str, str]
    events: int


def bodies_of(sent: Sent) -> list[str]:
    taken = take(read(sent.body), sent.speaker, sent.received_at, sent.received_at - OLDEST)
    context = context_of(http_of(sent), sent.received_at, sent.speaker)
    return list(pack(context, taken.records, MAX_MESSAGE_BYTES, taken.bundles))


def http_of(sent: Sent) -> dict[str, object]:
    """What the gateway says of a request, without the body."""
    return {
        "requestContext": {"http": {"sourceIp": sent.ip}},
        "headers": {"user-agent": sent.user_agent, "content-type": "application/json"},
    }


def batches(requests: Iterator[Sent], events: int) -> Iterator[Batch]:
    """Batches of at least `events`, but for the last."""
    messages: dict[str, str] = {}
    held = 0
    for sent in requests:
        for body in bodies_of(sent):
            messages[f"message-{len(messages)}"] = body
        held += sent.events
        if held >= events:
            yield Batch(messages, held)
            messages, held = {}, 0
    if messages:
        yield Batch(messages, held)


def each(requests: Iterable[Sent], work: Callable[[Sent], object]) -> None:
    """Does the work for one request after the other, and keeps nothing of it."""
    for sent in requests:
        work(sent)


def ids_of(batch: Batch) -> set[str]:
    """The ids of its events."""
    messages = [unpack(body) for body in batch.messages.values()]
    bundled = {
        record["id"]
        for message in messages
        for bundle in message.get("bundles", [])
        for record in records_of(bundle)
    }
    return bundled | {record["id"] for message in messages for record in message["events"]}
