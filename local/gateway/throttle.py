"""API Gateway's throttle: a bucket of `burst` tokens that fills at `rate` a second."""

import time
from collections.abc import Callable

from local.template.model import Throttle


class TokenBucket:
    """`clock` gives seconds and never goes back."""

    def __init__(self, limit: Throttle, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._tokens = limit.burst
        self._filled_at = clock()

    def take(self) -> bool:
        """Whether one more request may pass now."""
        now = self._clock()
        self._tokens = min(self._limit.burst, self._tokens + (now - self._filled_at) * self._limit.rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
