"""The logger (JSON lines on stdout) and the metrics (CloudWatch's embedded format, no API call)."""

from functools import cache

from aws_lambda_powertools import Logger, Metrics


@cache
def logger(service: str) -> Logger:
    """The room's logger; LOG_LEVEL sets its level."""
    return Logger(service=service)


@cache
def metrics(service: str) -> Metrics:
    """The room's metrics; a name and its unit are said where it is added."""
    return Metrics(service=service)
