"""The local queue server in a process of its own, so that its CPU can be told from the functions'.

`python -m benchmarks.sqs FILE` is that process: it says its port on stdout.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from benchmarks.clocks import backend_seconds
from benchmarks.framework import BenchmarkError
from local.queue.sqs import serve
from local.queue.store import QueueStore

BATCH = 10


class QueueServer:
    """One queue, which bodies go through."""

    def __init__(self, process: subprocess.Popen[str], client: Any) -> None:
        self._process, self._client = process, client
        self._url: str = client.create_queue(QueueName="events")["QueueUrl"]

    def carry(self, bodies: Sequence[str]) -> float:
        """CPU seconds of the server for taking, handing out and deleting the bodies.

        Raises:
            BenchmarkError: it didn't hand out all.
        """
        began = backend_seconds(self._process.pid)
        for body in bodies:
            self._client.send_message(QueueUrl=self._url, MessageBody=body)
        received = sum(self._receive() for _ in range(0, len(bodies), BATCH))
        if received != len(bodies):
            raise BenchmarkError(f"of {len(bodies)} messages the queue handed out {received}")
        return backend_seconds(self._process.pid) - began

    def _receive(self) -> int:
        answer = self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=BATCH)
        entries = [
            {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
            for place, message in enumerate(answer.get("Messages", []))
        ]
        if entries:
            self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return len(entries)


@contextmanager
def queue_server() -> Iterator[QueueServer]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.sqs", str(Path(folder) / "queue.sqlite")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                port = (process.stdout.readline() if process.stdout else "").strip()
                keys = {"aws_access_key_id": "benchmark", "aws_secret_access_key": "benchmark"}
                address = f"http://127.0.0.1:{port}"
                session = boto3.session.Session(region_name="eu-central-1", **keys)
                yield QueueServer(process, session.client("sqs", endpoint_url=address))
            finally:
                process.terminate()


async def _serve(file: Path) -> None:
    _, port = await serve(QueueStore(file))
    print(port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
