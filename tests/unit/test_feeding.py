"""Who sends much holds back while the queue is long."""

import asyncio

import pytest

from local.feeding.door import DoorError
from local.feeding.sending import Backlog, send_all


class Queue:
    """Takes at once, and is worked off slowly."""

    def __init__(self, outage: int = 0) -> None:
        self.messages = self.longest = 0
        # So many questions are not answered.
        self._outage = outage

    async def waiting(self) -> int:
        self._outage -= 1
        if self._outage >= 0:
            raise DoorError("the queue doesn't answer")
        return self.messages

    async def send(self, _: int) -> None:
        await asyncio.sleep(0)
        self.messages += 1
        self.longest = max(self.longest, self.messages)

    async def work_off(self) -> None:
        while True:
            await asyncio.sleep(0.001)
            self.messages = max(self.messages - 1, 0)


async def send_through(queue: Queue, most: int, number: int) -> Backlog:
    backlog = Backlog(queue, most, every=0.0)  # type: ignore[arg-type]
    worker = asyncio.create_task(queue.work_off())
    await send_all(range(number), queue.send, backlog)
    worker.cancel()
    return backlog


def test_the_queue_stays_short() -> None:
    queue = Queue()
    backlog = asyncio.run(send_through(queue, most=20, number=300))
    # Between two measurements a few more are sent.
    assert 20 < queue.longest < 40
    assert 20 < backlog.longest <= queue.longest


def test_what_is_not_measured_holds_nobody_back() -> None:
    queue = Queue(outage=10_000)
    asyncio.run(send_through(queue, most=20, number=300))
    assert queue.longest > 200


def test_it_is_measured_again_after_an_outage() -> None:
    queue = Queue(outage=5)
    asyncio.run(send_through(queue, most=20, number=300))
    assert 20 < queue.longest < 60


@pytest.mark.parametrize(("measured", "is_open"), [([21], False), ([21, 15], False), ([21, 9], True)])
def test_it_goes_on_when_half_is_gone(measured: list[int], is_open: bool) -> None:
    async def run() -> None:
        backlog = Backlog(Queue(), most=20)  # type: ignore[arg-type]
        for waiting in measured:
            backlog.note(waiting)
        async with asyncio.timeout(0.01):
            await backlog.room()

    if is_open:
        asyncio.run(run())
    else:
        with pytest.raises(TimeoutError):
            asyncio.run(run())


@pytest.mark.parametrize("failing", [0, 5, 9])
def test_what_fails_is_said(failing: int) -> None:
    async def fail(number: int) -> None:
        if number == failing:
            raise DoorError("refused")

    with pytest.raises(DoorError, match="refused"):
        asyncio.run(send_all(range(10), fail, Backlog(Queue(), 20)))  # type: ignore[arg-type]
