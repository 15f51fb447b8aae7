"""Whatever the body, it is refused with a reason or every record of it can be queued and read again."""

import itertools
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from footfall.errors import RequestError
from footfall.events import pack
from functions.ingest import reading, segment
from functions.ingest.sending import MAX_MESSAGE_BYTES
from functions.ingest.speaking import Speaker
from functions.ingest.taking import own_words, take
from tests.hostile import bodies
from tests.queued import records_in

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
# `HYPOTHESIS_PROFILE=thorough` sends a hundred thousand.
NUMBER = 25_000 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 400
CONTEXT: Any = {"received_at": NOW.isoformat()}


@pytest.mark.parametrize("kind", ["browser", "server"])
@pytest.mark.parametrize("wire", ["native", "segment"])
@pytest.mark.timeout(1_800)
def test_a_body_is_refused_or_can_be_queued(wire: str, kind: Any) -> None:
    speaker, taken, statuses = Speaker(kind), 0, set()
    for body in itertools.islice(bodies(seed=f"{wire} {kind}"), NUMBER):
        try:
            batch = reading.read(body) if wire == "native" else segment.read(body, "batch")
            translate = own_words if wire == "native" else segment.to_events
            result = take(batch, speaker, NOW, NOW - timedelta(days=400), translate)
        except RequestError as error:
            statuses.add(error.status)
            json.dumps({"message": str(error), **error.details}).encode()
            continue
        assert result.accepted + len(result.rejected) == len(batch.events)
        for message in pack(CONTEXT, result.records, MAX_MESSAGE_BYTES, result.bundles):
            assert len(message) <= MAX_MESSAGE_BYTES
            assert message.isascii()
            for record in records_in(message):
                assert record["id"]
                taken += record["kind"] != "rejected"
                assert "\\u0000" not in json.dumps(record)
                json.dumps(record, allow_nan=False)
    assert statuses == {400, 413}
    assert taken > NUMBER / 30
