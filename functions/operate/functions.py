"""Calls other functions, and waits for what they answer."""

import json
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from footfall.errors import FunctionFailedError, UnavailableError

# Longer than either may run.
READ_SECONDS = 25


class Functions:
    """Those that a replay needs, and the one that knows how the database is, by their names."""

    def __init__(self, ingest: str, session: str, insights: str) -> None:
        self._ingest = ingest
        self._session = session
        self._insights = insights
        once = Config(connect_timeout=2, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1})
        self._client: Any = boto3.client("lambda", config=once)

    def close(self) -> None:
        self._client.close()

    def ingest(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Raises UnavailableError and FunctionFailedError, as `session` does."""
        return self._invoke(self._ingest, event)

    def session(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers.

        Raises:
            UnavailableError: it can't be called now, or says so of its database.
            FunctionFailedError: it raised an error, which is in the message.
        """
        return self._invoke(self._session, event)

    def insights(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """As `session`."""
        return self._invoke(self._insights, event)

    def _invoke(self, name: str, event: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = self._client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
            found: dict[str, Any] = json.loads(answer["Payload"].read())
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError(f"{name}: {type(error).__name__}: {error}") from error
        if "FunctionError" in answer:
            raise FunctionFailedError(f"{name}: {found.get('errorMessage')}")
        if "unavailable" in found:
            raise UnavailableError(f"{name}: {found['unavailable']}")
        return found
