"""The logger: JSON lines on stdout."""

from functools import cache

from aws_lambda_powertools import Logger


@cache
def logger(service: str) -> Logger:
    """The room's logger; LOG_LEVEL sets its level."""
    return Logger(service=service)
