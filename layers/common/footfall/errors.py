"""What can go wrong, as one tree. The docstring is the message where none is given.

FootfallError
├── MissingSettingError          an environment variable isn't there
├── RequestError                 the caller's mistake; `status` is its HTTP answer
│   ├── BadRequestError          400
│   ├── UnauthorizedError        401
│   ├── ForbiddenError           403
│   ├── NotFoundError            404
│   └── TooLargeError            413
├── UnavailableError             503: a part is down, the caller should try again
│   ├── QueueUnavailableError
│   └── DatabaseUnavailableError
│       └── TooSlowError         one statement took longer than it may
├── FunctionFailedError          another function raised an error
└── BadDataError                 Postgres refused a value; trying again won't help
    └── ConflictError            a key is there already, perhaps of a moment ago
"""

from http import HTTPStatus
from typing import Any


class FootfallError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None, **details: Any) -> None:
        super().__init__(message or self.__doc__)
        self.details = details


class MissingSettingError(FootfallError):
    """A setting is missing."""


class RequestError(FootfallError):
    """The request can't be answered."""

    status = HTTPStatus.BAD_REQUEST
    code = "bad_request"


class BadRequestError(RequestError):
    """The request isn't understood."""


class UnauthorizedError(RequestError):
    """The key isn't known."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"


class ForbiddenError(RequestError):
    """The token doesn't allow this."""

    status = HTTPStatus.FORBIDDEN
    code = "forbidden"


class NotFoundError(RequestError):
    """There is no such thing."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class TooLargeError(RequestError):
    """The request is too large."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"


class UnavailableError(FootfallError):
    """A part of the system is down; try again."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"


class QueueUnavailableError(UnavailableError):
    """The queue can't take events now; try again."""


class DatabaseUnavailableError(UnavailableError):
    """The database can't be reached now; try again."""


class TooSlowError(DatabaseUnavailableError):
    """The database took too long."""


class FunctionFailedError(FootfallError):
    """Another function failed."""


class BadDataError(FootfallError):
    """The database refused a value."""


class ConflictError(BadDataError):
    """The database has this key already."""
