"""How many events trackers lose when pages are left, the network is away or the server is busy.

`python -m benchmarks.trackers [--times 3] [names…]`, after `npm ci` in this folder, prints a table.
"""

import argparse
import asyncio
import itertools
import math
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page, Playwright, async_playwright

from benchmarks.trackers.sink import Sink, Site, serving

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHROMIUM = shutil.which("chromium") or str(ROOT / ".venvs/chromium/chromium")
NODE = ROOT / ".venvs/node/bin/node"
LAUNCHING: dict[str, Any] = {
    "executable_path": CHROMIUM,
    # Some trackers send nothing from a browser that says it is automated.
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-blink-features=AutomationControlled",
    ],
    "env": {**os.environ, "LD_LIBRARY_PATH": str(Path(CHROMIUM).parent / "al2023/lib")},
}
AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
)
AT_ONCE = 6
FEW, MANY = 3, 20
OUTAGE = 10.0
# How long a page is given for what it has, and how long nothing may come before it is believed to be through.
PATIENCE, SILENCE = 75.0, 35.0
# A preflight that says nothing of its age is remembered for five seconds.
REST = 7.0
ACT = "(marks) => marks.forEach((mark) => act(mark))"


@dataclass
class Visit:
    """One case tried once: with a browser profile of its own."""

    playwright: Playwright
    site: Site
    tracker: str
    name: str
    profile: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)
    tracked: list[str] = field(default_factory=list)
    unvisited: int = 0

    @property
    def sink(self) -> Sink:
        return self.site.sink

    def marks(self, count: int) -> list[str]:
        made = [f"mark-{self.name}-{next(self.numbers)}" for _ in range(count)]
        self.tracked += made
        return made

    @asynccontextmanager
    async def browser(self) -> Any:
        context = await self.playwright.chromium.launch_persistent_context(
            self.profile, user_agent=AGENT, **LAUNCHING
        )
        yield context
        await context.close()

    async def page(self, context: BrowserContext) -> Page:
        page = await context.new_page()
        page.on("pageerror", lambda error: print(self.name, error))
        await page.goto(f"{self.site.url}/{self.tracker}/first")
        await page.wait_for_function("'act' in window")
        return page

    async def warm_page(self, context: BrowserContext) -> Page:
        """A page whose tracker has started and sent an event, a while ago."""
        page = await self.page(context)
        mark = f"mark-{self.name}-warm"
        await page.evaluate(ACT, [mark])
        deadline = time.monotonic() + PATIENCE
        while not self.sink.arrived.get(mark):
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.tracker}: nothing arrives, even in peace")
            await asyncio.sleep(0.1)
        await asyncio.sleep(REST)
        return page

    async def be_offline(self, context: BrowserContext, offline: bool) -> None:
        # Chromium lets the last request of a page through while it pretends to be offline; the sink doesn't.
        self.sink.busy_until[f"mark-{self.name}"] = math.inf if offline else 0
        await context.set_offline(offline)

    def lost(self) -> int:
        return sum(not self.sink.arrived.get(mark) for mark in self.tracked)

    async def settle(self, patience: float = PATIENCE) -> None:
        """Until all has arrived, with a moment for more of the same, or nothing has for long."""
        begin = changed = time.monotonic()
        before = -1
        while time.monotonic() < begin + patience:
            now = sum(len(self.sink.arrived.get(mark, [])) for mark in self.tracked)
            if now != before:
                before, changed = now, time.monotonic()
            if time.monotonic() - changed > (8 if self.lost() == 0 else SILENCE):
                return
            await asyncio.sleep(0.2)

    async def come_back(self, context: BrowserContext) -> None:
        self.unvisited = self.lost()
        await self.go_on(await self.page(context))
        await self.settle()

    async def go_on(self, page: Page) -> None:
        """Something more to send, of which some trackers make use for what waits; a page view would do."""
        await asyncio.sleep(1)
        await page.evaluate(ACT, [f"mark-{self.name}-warm"])


async def closing(visit: Visit) -> None:
    async with visit.browser() as context:
        page = await visit.warm_page(context)
        await page.evaluate(ACT, visit.marks(FEW))
        await page.close(run_before_unload=False)
        await visit.settle(5)
        await visit.come_back(context)


async def navigating(visit: Visit) -> None:
    async with visit.browser() as context:
        page = await visit.warm_page(context)
        go = "([marks]) => { marks.forEach((mark) => act(mark)); location.href = 'about:blank' }"
        await page.evaluate(go, [visit.marks(FEW)])
        await visit.settle(5)
        await visit.come_back(context)


async def _act_for(visit: Visit, page: Page, seconds: float) -> None:
    for mark in visit.marks(MANY):
        await page.evaluate(ACT, [mark])
        await asyncio.sleep(seconds / MANY)


async def offline(visit: Visit) -> None:
    async with visit.browser() as context:
        page = await visit.warm_page(context)
        await visit.be_offline(context, True)
        await _act_for(visit, page, 10)
        await asyncio.sleep(5)
        await visit.be_offline(context, False)
        await visit.go_on(page)
        await visit.settle()
        visit.unvisited = visit.lost()


async def restarting(visit: Visit) -> None:
    async with visit.browser() as context:
        page = await visit.warm_page(context)
        await visit.be_offline(context, True)
        await _act_for(visit, page, 10)
        await asyncio.sleep(5)
        # Some trackers store what waits when a page is left, and quitting may leave them no time.
        await page.close(run_before_unload=False)
        await asyncio.sleep(1)
    async with visit.browser() as context:
        await visit.be_offline(context, False)
        await visit.come_back(context)


async def busy(visit: Visit) -> None:
    async with visit.browser() as context:
        page = await visit.warm_page(context)
        visit.sink.busy_until[f"mark-{visit.name}"] = time.monotonic() + OUTAGE
        await _act_for(visit, page, OUTAGE)
        await visit.go_on(page)
        await visit.settle()
        visit.unvisited = visit.lost()


CASES: dict[str, Callable[[Visit], Awaitable[None]]] = {
    "closing": closing,
    "navigating": navigating,
    "offline": offline,
    "restart": restarting,
    "503": busy,
}


@dataclass
class Score:
    tracked: int = 0
    unvisited: int = 0
    lost: int = 0
    again: int = 0
    undetectable: int = 0

    def add(self, visit: Visit) -> None:
        ids = {mark: visit.sink.arrived.get(mark, []) for mark in visit.tracked}
        self.tracked += len(visit.tracked)
        self.unvisited += visit.unvisited
        self.lost += visit.lost()
        self.again += sum(len(names) > 1 for names in ids.values())
        # A server leaves out what comes again with the same id.
        self.undetectable += sum(len(names) > 1 and len({*names} - {""}) != 1 for names in ids.values())


def built(name: str) -> str:
    source = HERE / "pages" / f"{name}.js"
    if name == "footfall":
        return source.read_text()
    esbuild = [str(NODE), str(HERE / "node_modules/esbuild/bin/esbuild"), str(source)]
    options = ["--bundle", "--minify", "--format=iife", "--log-level=error"]
    done = subprocess.run([*esbuild, *options], check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


async def compare(names: Iterable[str], cases: Iterable[str], times: int) -> dict[tuple[str, str], Score]:
    scores: dict[tuple[str, str], Score] = {}
    turns = asyncio.Semaphore(AT_ONCE)
    tracker = ROOT / "functions/web/static/tracker.js"
    with (
        serving({name: built(name) for name in names}, tracker) as (site, _),
        tempfile.TemporaryDirectory() as folder,
    ):
        async with async_playwright() as playwright:

            async def attempt(name: str, case: str, turn: int) -> None:
                key = f"{name}-{case}-{turn}"
                visit = Visit(playwright, site, name, key, Path(folder) / key)
                async with turns:
                    await CASES[case](visit)
                scores.setdefault((name, case), Score()).add(visit)
                print(key, vars(scores[name, case]), flush=True)

            jobs = [attempt(*job) for job in itertools.product(names, cases, range(times))]
            await asyncio.gather(*jobs)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", default=sorted(path.stem for path in (HERE / "pages").glob("*.js"))
    )
    parser.add_argument("--cases", nargs="*", default=[*CASES])
    parser.add_argument("--times", type=int, default=3)
    said = parser.parse_args()
    scores = asyncio.run(compare(said.names, said.cases, said.times))
    print(f"\n| tracker | {' | '.join(said.cases)} | came twice |\n|{' --- |' * (len(said.cases) + 2)}")
    for name in said.names:
        row = [scores[name, case] for case in said.cases]
        cells = [
            f"{one.unvisited} → {one.lost} of {one.tracked}"
            if one.unvisited != one.lost
            else f"{one.lost} of {one.tracked}"
            for one in row
        ]
        twice = f"{sum(one.again for one in row)}, {sum(one.undetectable for one in row)} without a common id"
        print(f"| {name} | {' | '.join(cells)} | {twice} |")


if __name__ == "__main__":
    main()
