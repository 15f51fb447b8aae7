"""Validates again what was refused before, as the request that it came in: after a fix it may be an event.

Who spoke was verified when it came, and is believed as it was noted then; nothing in the event itself is.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from footfall.errors import RequestError
from footfall.events import Refused
from functions.ingest import segment
from functions.ingest.reading import parse
from functions.ingest.speaking import Speaker
from functions.ingest.taking import Translate, encode, floor_of, own_words
from functions.ingest.validating import InvalidEventError, Reception

_FORMATS: Mapping[str, Translate] = {"own": own_words, "segment": segment.to_events}


def validate_again(kept: Sequence[Mapping[str, Any]], earliest: datetime) -> list[dict[str, Any]]:
    """Each as it was kept ({"id", "raw", "received_at", "request"}), with its `records`, or the `reason`.

    Args:
        earliest: what a server may send.
    """
    return [
        {name: value for name, value in one.items() if name != "raw"} | _validate(one, earliest)
        for one in kept
    ]


def _validate(one: Mapping[str, Any], earliest: datetime) -> dict[str, Any]:
    try:
        # An operator may have mended it by hand: it is read like anything that comes in.
        event, suspect = parse(one["raw"].encode("utf-8", "surrogatepass"))
        if one["request"]["format"] == "segment" and isinstance(event, dict):
            event.setdefault("messageId", f"replayed {one['id']}")
        translate = _FORMATS[one["request"]["format"]]
        encoded = encode(event, _reception(one, earliest), translate, suspect)
    except (InvalidEventError, RequestError) as error:
        return {"reason": str(error)}
    records = [json.loads(text) for text in encoded]
    if one["request"].get("cleaned"):
        for record in records:
            record.setdefault("metadata", {})["_cleaned"] = True
    return {"records": records}


def _reception(one: Mapping[str, Any], earliest: datetime) -> Reception:
    request: Refused = one["request"]
    speaker = Speaker(request["speaker"], request.get("user"))
    received_at = datetime.fromisoformat(one["received_at"])
    sent_at = datetime.fromisoformat(request["sent_at"]) if "sent_at" in request else None
    floor = floor_of(speaker, received_at, earliest)
    return Reception(speaker, received_at, floor, sent_at, request.get("ignored"), seed=one["id"])
