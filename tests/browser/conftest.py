import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.browser.shop import Shop, shop_before
from tests.end_to_end.local_stack import LocalStack, running
from tests.needing import CHROMIUM, missing

Database = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with running(tmp_path_factory.mktemp("browser") / "data") as started:
        yield started


@pytest.fixture(scope="session")
def database(stack: LocalStack) -> Iterator[Database]:
    with psycopg.connect(stack.local()["database_url"], autocommit=True) as connection:
        yield connection


# Not longer than a module: while it runs, no other test of the process could have an event loop.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    if not Path(CHROMIUM).exists():
        missing("a Chromium; `make test` brings one")
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def launching() -> dict[str, object]:
    """How every Chromium here is started."""
    return {
        "executable_path": CHROMIUM,
        "args": ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        "env": {**os.environ, "LD_LIBRARY_PATH": str(Path(CHROMIUM).parent / "al2023/lib")},
    }


@pytest.fixture(scope="module")
def browser(playwright: Playwright, launching: dict[str, object]) -> Iterator[Browser]:
    # Without the argument that Playwright adds, pages go into the back-forward cache as they do for users.
    options = {**launching, "ignore_default_args": ["--disable-back-forward-cache"]}
    with playwright.chromium.launch(**options) as started:  # type: ignore[arg-type]
        yield started


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context() as started:
        yield started


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab; an error that a page's script doesn't catch fails the test."""
    errors: list[object] = []
    tab = context.new_page()
    tab.on("pageerror", lambda error: errors.append(error))  # noqa: PLW0108 (it marks what it is given)
    yield tab
    assert errors == []


@pytest.fixture
def shop(stack: LocalStack) -> Iterator[Shop]:
    with shop_before(stack.url, stack.local()["browser_key"]) as opened:
        yield opened


@pytest.fixture
def run() -> str:
    """What the events of one test are called."""
    return uuid.uuid4().hex[:12]
