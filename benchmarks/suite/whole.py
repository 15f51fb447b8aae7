"""What an event costs on its whole way in: from the request that the gateway hands over to the commit."""

import itertools
import json
import statistics
from datetime import timedelta

from benchmarks.clocks import Cost, measure, total
from benchmarks.door import Door
from benchmarks.framework import Bench, Measured, benchmark, spread
from benchmarks.messages import Batch, batches, bodies_of, each
from benchmarks.race import requests_of
from benchmarks.sides import Consumer
from benchmarks.sqs import QueueServer, queue_server
from benchmarks.traffic import Sent, Traffic

REQUESTS = 50
ROUNDS, BATCHES, WARM_UP = 7, 6, 12
AGAINST = (
    "nothing: an absolute figure of the machine (between machines, divide by yardstick_json_loads);"
    " 20 events a request, one session a message, the queue itself left out; lower is better"
)


@benchmark("cpu_us_per_event", unit="us of CPU", against=AGAINST)
def cpu_us_per_event(bench: Bench) -> Measured:
    traffic = Traffic(bench.now - timedelta(hours=2))
    with bench.postgres.database() as url, Door() as door, queue_server() as server:
        consumer = Consumer(url)
        for batch in batches(traffic.ties(), REQUESTS * 20):
            consumer.consume(batch)
        queue = requests_of(traffic, "one_session")
        for _ in range(bench.sized(WARM_UP, 7)):
            _lap(door, consumer, server, list(itertools.islice(queue, REQUESTS)))
        rounds = [
            _round(
                [
                    _lap(door, consumer, server, list(itertools.islice(queue, REQUESTS)))
                    for _ in range(BATCHES)
                ]
            )
            for _ in range(bench.sized(ROUNDS, 3))
        ]
        consumer.close()
    value = statistics.median(one["total"] for one in rounds)
    return Measured(value, {part: spread([one[part] for one in rounds], 2) for part in rounds[0]})


def _lap(
    door: Door, consumer: Consumer, server: QueueServer, requests: list[Sent]
) -> tuple[int, dict[str, Cost]]:
    events = sum(sent.events for sent in requests)
    _, reading = measure(lambda: each(requests, lambda sent: json.loads(sent.body)))
    _, preparing = measure(lambda: each(requests, bodies_of))
    gateway_events = [door.event_of(sent) for sent in requests]
    bodies, ingest = measure(lambda: door.send(gateway_events))
    batch = Batch({str(place): body for place, body in enumerate(bodies)}, events)
    new, writing = consumer.consume(batch)
    return new, {
        "json_loads": reading,
        "ingest_without_sending": preparing,
        "ingest": ingest,
        "consumer": writing,
        "queue_server": Cost(server.carry(bodies)),
    }


def _round(laps: list[tuple[int, dict[str, Cost]]]) -> dict[str, float]:
    new = sum(count for count, _ in laps)
    costs = {part: total(costs[part] for _, costs in laps).per_event(new) for part in laps[0][1]}
    ingest, consumer, server = costs["ingest"], costs["consumer"], costs["queue_server"]
    total_cpu = ingest["cpu"] + consumer["cpu"]
    return {
        "total": total_cpu,
        "events_per_cpu_second": 1e6 / total_cpu,
        "queue_server_apart": server["cpu"],
        "events_per_cpu_second_with_queue_server": 1e6 / (total_cpu + server["cpu"]),
        "ingest_handler_with_boto3": ingest["cpu"],
        "of_it_read_take_pack": costs["ingest_without_sending"]["cpu"],
        "consumer_python": consumer["python"],
        "consumer_postgres": consumer["postgres"],
        "total_wall": ingest["wall"] + consumer["wall"],
        "yardstick_json_loads": costs["json_loads"]["cpu"],
    }
