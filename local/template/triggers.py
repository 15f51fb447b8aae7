"""Reads what wakes a function besides HTTP: queues and schedules."""

import json
from typing import Any

from local.template.intrinsics import TemplateError
from local.template.model import QueueSource, Schedule


def read_queue_source(properties: dict[str, Any], place: str) -> QueueSource:
    """Of an SQS event's properties, with Lambda's defaults."""
    if "FilterCriteria" in properties:
        raise TemplateError(place, "FilterCriteria is not served locally")
    batch_size = int(properties.get("BatchSize", 10))
    window = float(properties.get("MaximumBatchingWindowInSeconds", 0))
    if batch_size > 10 and window < 1:
        raise TemplateError(place, "a BatchSize above 10 needs a MaximumBatchingWindowInSeconds of 1 or more")
    concurrency = (properties.get("ScalingConfig") or {}).get("MaximumConcurrency")
    return QueueSource(
        queue_arn=properties["Queue"],
        batch_size=batch_size,
        window=window,
        concurrency=None if concurrency is None else int(concurrency),
        reports_failures="ReportBatchItemFailures" in (properties.get("FunctionResponseTypes") or []),
    )


def read_schedule(name: str, kind: str, properties: dict[str, Any], place: str) -> Schedule:
    """Of a Schedule (EventBridge rule) or ScheduleV2 (EventBridge Scheduler) event."""
    key, source = (
        ("ScheduleExpression", "aws.scheduler") if kind == "ScheduleV2" else ("Schedule", "aws.events")
    )
    if key not in properties:
        raise TemplateError(place, f"{key} is missing")
    given = properties.get("Input")
    text = given if given is None or isinstance(given, str) else json.dumps(given)
    return Schedule(
        name=properties.get("Name", name), expression=str(properties[key]), source=source, input=text
    )
