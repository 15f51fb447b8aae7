"""Scripted visitors in real Chromium, everything that may go wrong, and a ledger of what they tracked."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from playwright.async_api import BrowserContext, Error, Page, Playwright, async_playwright

from tests.browser.shop import Door, Instead, Shop, busy

BROWSERS = 4
MOST_TABS = 3
STEPS = (6, 16)
# As the promise says: what is younger when its page crashes may be lost.
GRACE = 1.0
PATIENCE = 120_000
BODY = "<button data-track>Act</button> <a href=/ data-track>Go</a>"
# Half of the visitors are on a site without TLS, whose tabs have no locks.
SITES = ("localhost", "test")
ARGUMENTS = ["--host-resolver-rules=MAP *.test 127.0.0.1", "--disable-breakpad"]

# The last number is stored beside the queue: after a kill it tells what Chromium had written by then.
NOTED = "localStorage.setItem('noted', number);"
NOTE = f"(number) => {{ {NOTED} }}"
TRACK = f"([names, number]) => {{ names.forEach((it) => tracker.trackAction(it, 'soak')); {NOTED} }}"
NAVIGATE = f"""([name, number]) => {{
  history.pushState(null, '', `/${{name}}`);
  return new Promise((resolve) => setTimeout(resolve, 20)).then(() => {{ {NOTED} }});
}}"""
LEAVE = f"""([name, address, number]) => {{
  tracker.trackAction(name, 'soak');
  {NOTED}
  location.href = address;
}}"""
LABEL = """([selector, name, address]) => {
  const element = document.querySelector(selector);
  element.dataset.track = name;
  element.href = address;
}"""
IS_EMPTY = "!Object.keys(localStorage).some((key) => key.startsWith('footfall_e_'))"


@dataclass
class Ledger:
    """What was tracked in one session, by name; names end in numbers that only grow."""

    run: str
    numbers: Iterator[int]
    number: int = 0
    tried: set[str] = field(default_factory=set)
    # And when that was known.
    tracked: dict[str, float] = field(default_factory=dict)
    # What was tracked in the second before a crash, and what Chromium hadn't written, with its age.
    just_before_a_crash: set[str] = field(default_factory=set)
    unwritten: dict[str, float] = field(default_factory=dict)
    # What happened, for whoever has to find out where something was lost.
    story: list[str] = field(default_factory=list)

    def tell(self, what: str) -> None:
        self.story.append(f"{time.monotonic():.2f} {what} after {self.number}")

    def names(self, count: int = 1) -> list[str]:
        return [self.name() for _ in range(count)]

    def name(self) -> str:
        self.number = next(self.numbers)
        name = f"{self.run}-{self.number}"
        self.tried.add(name)
        return name

    def note(self, *names: str) -> None:
        self.tracked.update(dict.fromkeys(names, time.monotonic()))

    def crashed(self, at: float) -> None:
        self.just_before_a_crash |= {name for name, when in self.tracked.items() if when > at - GRACE}

    def killed(self, at: float, written: int) -> None:
        for name, when in self.tracked.items():
            if int(name.rpartition("-")[2]) > written:
                self.unwritten[name] = at - when


@dataclass
class Figures:
    sessions: int = 0
    hard_navigations: int = 0
    history_navigations: int = 0
    clicks: int = 0
    tabs_closed: int = 0
    offline_periods: int = 0
    page_crashes: int = 0
    browsers_killed: int = 0
    browsers_quit: int = 0


class Chromium:
    """A browser with a profile that outlives it."""

    def __init__(self, playwright: Playwright, options: dict[str, Any], profile: Path) -> None:
        self._playwright = playwright
        self._options = {**options, "args": [*options["args"], *ARGUMENTS]}
        self._profile = profile
        self.context: BrowserContext

    async def start(self) -> None:
        launch = self._playwright.chromium.launch_persistent_context
        self.context = await launch(self._profile, **self._options)

    async def kill(self) -> None:
        closed = asyncio.get_running_loop().create_future()
        self.context.once("close", lambda _: closed.set_result(None))
        mine = f"--user-data-dir={self._profile}"
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                said = process.cmdline()
                if mine in said and not any(word.startswith("--type=") for word in said):
                    process.kill()
        await asyncio.wait_for(closed, PATIENCE / 1000)


class Visitor:
    """One session on a site of its own: random steps, then nothing but a last visit."""

    def __init__(
        self, chromium: Chromium, site: str, ledger: Ledger, chance: random.Random, figures: Figures
    ) -> None:
        self._chromium = chromium
        self._site = site
        self.ledger = ledger
        self._chance = chance
        self._figures = figures
        self._tabs: list[Page] = []
        self._is_offline = False

    async def visit(self) -> None:
        steps: dict[Callable[[], Awaitable[None]], int] = {
            self.act: 6,
            self.click: 3,
            self.navigate: 3,
            self.follow_a_link: 3,
            self.leave: 3,
            self.open: 2,
            self.close: 2,
            self.wait: 3,
            self.lose_or_find_the_network: 3,
            self.crash: 1,
            self.kill: 1,
            self.quit: 1,
        }
        for _ in range(self._chance.randint(*STEPS)):
            if not self._tabs:
                await self._be_offline(False)
                await self.open()
            [step] = self._chance.choices([*steps], [*steps.values()])
            self.ledger.tell(f"{step.__name__}{' offline' * self._is_offline}, {len(self._tabs)} tabs")
            await step()
            await asyncio.sleep(self._chance.choice([0, 0, 0.05, 0.3, 1]))
        while self._tabs:
            await self.close()
        await self._be_offline(False)
        self._figures.sessions += 1

    async def visit_again(self) -> None:
        """Until nothing waits in the browser."""
        self.ledger.tell("visit_again")
        await self.open()
        [tab] = self._tabs
        await tab.wait_for_function(IS_EMPTY, timeout=PATIENCE)
        # What would be tracked now might need yet another visit.
        await self._drop(tab)

    @property
    def _tab(self) -> Page:
        return self._chance.choice(self._tabs)

    async def act(self) -> None:
        names = self.ledger.names(self._chance.choice([1, 1, 2, 5, 25]))
        await self._tab.evaluate(TRACK, [names, self.ledger.number])
        self.ledger.note(*names)

    async def click(self) -> None:
        tab, name = self._tab, self.ledger.name()
        await tab.evaluate(LABEL, ["button", name, ""])
        await tab.click("button")
        await tab.evaluate(NOTE, self.ledger.number)
        self.ledger.note(name)
        self._figures.clicks += 1

    async def navigate(self) -> None:
        name = self.ledger.name()
        await self._tab.evaluate(NAVIGATE, [name, self.ledger.number])
        self.ledger.note(name)
        self._figures.history_navigations += 1

    async def follow_a_link(self) -> None:
        await self._be_offline(False)
        tab, name, view = self._tab, *self.ledger.names(2)
        await tab.evaluate(LABEL, ["a", name, f"/{view}"])
        await tab.click("a")
        self.ledger.note(name)
        await self._arrive(tab, view)

    async def leave(self) -> None:
        tab, name = self._tab, self.ledger.name()
        number, view = self.ledger.number, self.ledger.name()
        await tab.evaluate(LEAVE, [name, f"/{view}", number])
        self.ledger.note(name)
        if self._is_offline:
            # Chromium shows a page of its own now.
            await self._drop(tab)
        else:
            await self._arrive(tab, view)

    async def _arrive(self, tab: Page, view: str) -> None:
        await tab.wait_for_url(f"**/{view}")
        await tab.evaluate(NOTE, self.ledger.number)
        self.ledger.note(view)
        self._figures.hard_navigations += 1

    async def open(self) -> None:
        if self._is_offline or len(self._tabs) == MOST_TABS:
            return
        tab, view = await self._chromium.context.new_page(), self.ledger.name()
        await tab.goto(f"{self._site}/{view}")
        self.ledger.note(view)
        self._tabs.append(tab)

    async def close(self) -> None:
        tab, names = self._tab, self.ledger.names(self._chance.randint(1, 3))
        await tab.evaluate(TRACK, [names, self.ledger.number])
        self.ledger.note(*names)
        await self._drop(tab)
        self._figures.tabs_closed += 1

    async def _drop(self, tab: Page) -> None:
        self._tabs.remove(tab)
        await tab.close()

    async def wait(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.2, 4))

    async def lose_or_find_the_network(self) -> None:
        await self._be_offline(not self._is_offline)

    async def _be_offline(self, offline: bool) -> None:
        self._figures.offline_periods += offline and not self._is_offline
        self._is_offline = offline
        await self._chromium.context.set_offline(offline)

    async def _act_and_wait(self) -> None:
        for _ in range(2):
            await self.act()
            await asyncio.sleep(self._chance.choice([0, 0.5, 1.1]))

    async def crash(self) -> None:
        await self._act_and_wait()
        gone: list[Page] = []

        def note(tab: Page) -> None:
            gone.append(tab)

        for tab in self._tabs:
            # Tabs may share a process.
            tab.once("crash", note)
        at = time.monotonic()
        with contextlib.suppress(Error):
            await self._tab.goto("chrome://crash")
        while not gone:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.2)
        self.ledger.crashed(at)
        for tab in gone:
            await self._drop(tab)
        self._figures.page_crashes += 1

    async def kill(self) -> None:
        await self._act_and_wait()
        at = time.monotonic()
        await self._chromium.kill()
        await self._start_again()
        written = int(await self._tab.evaluate("localStorage.getItem('noted')") or 0)
        self.ledger.tell(f"killed at {at:.2f}, written until {written}")
        self.ledger.killed(at, written)
        self._figures.browsers_killed += 1

    async def quit(self) -> None:
        await self._act_and_wait()
        await self._chromium.context.close()
        await self._start_again()
        self._figures.browsers_quit += 1

    async def _start_again(self) -> None:
        await self._chromium.start()
        self._tabs = []
        self._is_offline = False
        await self.open()


@dataclass
class Trouble:
    """A door that now and then is busy, hangs up, or takes a request and says nothing."""

    chance: random.Random
    refused: int = 0
    hung_up: int = 0
    unanswered: int = 0

    def instead(self, method: str, path: str) -> Instead | None:
        if method != "POST":
            return None
        luck = self.chance.random()
        if luck < 0.1:
            self.refused += 1
            waits = {} if luck < 0.05 else {"retry_after": str(self.chance.randint(1, 3))}
            return busy(503, **waits)(method, path)
        if luck < 0.15:
            self.hung_up += 1
            return 0, {}
        return None

    def is_mute(self) -> bool:
        mute = self.chance.random() < 0.05
        self.unanswered += mute
        return mute


@contextlib.asynccontextmanager
async def outages(flag: Path, chance: random.Random) -> AsyncIterator[None]:
    """The queue behind the API is away now and then, which says so with 503 and Retry-After."""

    async def come_and_go() -> None:
        while True:
            await asyncio.sleep(chance.uniform(10, 20))
            flag.touch()
            await asyncio.sleep(chance.uniform(1, 3))
            flag.unlink()

    task = asyncio.create_task(come_and_go())
    try:
        yield
    finally:
        task.cancel()
        flag.unlink(missing_ok=True)


@dataclass
class Soak:
    """So many sessions in several browsers at once."""

    shop: Shop
    outage: Path
    profiles: Path
    launching: dict[str, Any]
    run: str
    seed: int
    figures: Figures = field(default_factory=Figures)
    ledgers: list[Ledger] = field(default_factory=list)

    def __call__(self, sessions: int) -> Trouble:
        return asyncio.run(self._soak(sessions))

    async def _soak(self, sessions: int) -> Trouble:
        door = self.shop.door
        trouble = Trouble(random.Random(self.seed))
        door.instead, door.is_mute = trouble.instead, trouble.is_mute
        waiting = iter(range(sessions))
        async with async_playwright() as playwright:
            browsers = [
                Chromium(playwright, self.launching, self.profiles / str(number))
                for number in range(min(BROWSERS, sessions))
            ]
            numbers = itertools.count(1)
            async with outages(self.outage, random.Random(self.seed)):
                visited = await asyncio.gather(*(self._visits(one, waiting, numbers) for one in browsers))
            door.instead, door.is_mute = Door.instead, Door.is_mute
            await asyncio.gather(*map(self._visits_again, visited))
            await asyncio.gather(*(one.context.close() for one in browsers))
        return trouble

    async def _visits(
        self, chromium: Chromium, waiting: Iterator[int], numbers: Iterator[int]
    ) -> list[Visitor]:
        visited = []
        await chromium.start()
        for session in waiting:
            ledger = Ledger(self.run, numbers)
            port = self.shop.url.rpartition(":")[2]
            site = f"http://visitor-{session}.{SITES[session % 2]}:{port}"
            chance = random.Random(f"{self.seed} {session}")
            visitor = Visitor(chromium, site, ledger, chance, self.figures)
            await visitor.visit()
            visited.append(visitor)
            self.ledgers.append(ledger)
        return visited

    async def _visits_again(self, visited: list[Visitor]) -> None:
        for first in range(0, len(visited), 8):
            await asyncio.gather(*(visitor.visit_again() for visitor in visited[first : first + 8]))
