"""How much later a built function answers its first request than one that does nothing of its own."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.cold import Built, bare, built, imports, race, sample, without_bytecode
from benchmarks.framework import Bench, Measured, benchmark
from footfall.keys import digest
from local.sam.emulator import Program

ROUNDS = 20
BOTO3 = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")

SQS_CLIENT = """
import boto3
client = boto3.client("sqs")
def lambda_handler(event, context):
    return {"statusCode": 202}
"""
CONNECTION = """
import os, psycopg
connection = psycopg.connect(os.environ["DATABASE_URL"])
def lambda_handler(event, context):
    return {"statusCode": 200, "body": connection.execute("SELECT 1").fetchone()[0]}
"""


@benchmark(
    "cold_start_ingest",
    unit="times a bare handler",
    against="a handler that only makes a boto3 SQS client = 1; ours sends events besides; lower is better",
)
def cold_start_ingest(bench: Bench) -> Measured:
    with _queue() as url:
        given = {
            "QUEUE_URL": url,
            "BROWSER_KEY_HASHES": digest("sample-browser-key"),
            "SERVER_KEY_HASHES": digest("sample-server-key"),
            "RETENTION_MONTHS": "13",
        }
        here = bench.once("built", built)
        ours = here.program("ingest", given)
        with bare(SQS_CLIENT, ours, BOTO3) as theirs:
            return _measured(bench, here, theirs, ours, sample("ingest_post_events"))


@benchmark(
    "cold_start_recommend",
    unit="times a bare handler",
    against="a handler that connects and asks SELECT 1, by psycopg = 1; ours answers a feed; lower is better",
)
def cold_start_recommend(bench: Bench) -> Measured:
    with bench.postgres.database() as url:
        here = bench.once("built", built)
        ours = here.program("recommend", {"DATABASE_URL": url})
        with bare(CONNECTION, ours, ()) as theirs:
            return _measured(bench, here, theirs, ours, sample("recommend_feed"))


def _measured(bench: Bench, here: Built, theirs: Program, ours: Program, event: dict[str, Any]) -> Measured:
    rounds = bench.sized(ROUNDS, 2)
    shipped = race(here.tools, theirs, ours, event, rounds)
    with ExitStack() as stack:
        plain_theirs, plain_ours = (stack.enter_context(without_bytecode(side)) for side in (theirs, ours))
        compiling = race(here.tools, plain_theirs, plain_ours, event, rounds)
    detail = {
        "with_bytecode": shipped.detail,
        "without_bytecode": compiling.detail,
        "imports_ms": imports(here.tools, ours),
    }
    return Measured(shipped.ratio, detail)


@contextmanager
def _queue() -> Iterator[str]:
    """The URL of a queue that takes everything at once."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = b'{"MessageId": "taken"}'
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/000000000000/events"
        finally:
            server.shutdown()
            serving.join()
