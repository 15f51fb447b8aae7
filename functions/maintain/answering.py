"""The answer that CloudFormation waits for: a small JSON object, put at the URL that its request names.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from footfall.errors import FootfallError

BODY_LIMIT = 4096
# Of the JSON of a text: with an id of 1 kB, the longest there is, two of them fit into a body.
_TEXT_LIMIT = 700
_TRY_SECONDS = 5.0
_LONGEST_PAUSE = 2.0


class AnswerLostError(FootfallError):
    """CloudFormation can't be answered."""


def success(request: Mapping[str, Any], data: Mapping[str, str]) -> dict[str, Any]:
    return _answer(request, "SUCCESS", Data={name: _short(text) for name, text in data.items()})


def failure(request: Mapping[str, Any], reason: str) -> dict[str, Any]:
    return _answer(request, "FAILED", Reason=_short(reason) or "no reason is known")


def deliver(url: object, answer: Mapping[str, Any], seconds: float) -> None:
    """Tries for that long, at least once.

    Raises:
        AnswerLostError: it didn't arrive; never with the URL in it, as whoever has that may answer.
    """
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise AnswerLostError("CloudFormation can't be answered: ResponseURL is no address")
    body = json.dumps(answer).encode()
    until = time.monotonic() + seconds
    pause = 0.1
    while problem := _put(url, body, min(_TRY_SECONDS, max(until - time.monotonic(), 0.5))):
        if time.monotonic() + pause > until:
            raise AnswerLostError(f"CloudFormation can't be answered: {problem}")
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _put(url: str, body: bytes, timeout: float) -> str | None:
    """What went wrong."""
    try:
        # The URL may be signed for a request without a content type, and urllib would give it one.
        request = Request(url, body, {"content-type": ""}, method="PUT")  # noqa: S310
        with urlopen(request, timeout=timeout):  # noqa: S310
            return None
    except HTTPError as error:
        error.close()
        return f"HTTP {error.code}"
    except URLError as error:
        return str(error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return type(error).__name__


def _answer(request: Mapping[str, Any], status: str, **more: Any) -> dict[str, Any]:
    # Another id than before would make CloudFormation replace the resource.
    answer = {"Status": status, "PhysicalResourceId": request.get("PhysicalResourceId") or "migrations"}
    answer |= {name: request.get(name, "") for name in ("StackId", "RequestId", "LogicalResourceId")}
    return answer | more


def _short(text: str) -> str:
    line = " ".join(text.split())[:_TEXT_LIMIT]
    while len(json.dumps(line)) > _TEXT_LIMIT:
        line = line[: len(line) * 9 // 10]
    return line
