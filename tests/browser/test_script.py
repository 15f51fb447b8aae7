"""The script as it is served and built."""

import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Page

from tests.browser.shop import Shop
from tests.end_to_end.local_stack import LocalStack, eventually
from tests.needing import NODE, PROJECT, missing

pytestmark = pytest.mark.xdist_group("browser")

TRACKER = PROJECT / "web/tracker"
BUILT = PROJECT / "functions/web/static/tracker.js"
MOST_BYTES = 4096


@pytest.fixture
def node() -> str:
    if not NODE.exists() or not (TRACKER / "node_modules/done").exists():
        missing("Node and what the tracker is built with; `make tracker` brings them")
    return str(NODE)


@pytest.mark.parametrize("path", ["/tracker.js", "/js/pages.js"])
def test_it_is_at_most_4096_bytes_as_served(stack: LocalStack, path: str) -> None:
    with urlopen(Request(stack.url + path, headers={"accept-encoding": "gzip"})) as answer:
        body = answer.read()
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == BUILT.read_bytes()
    print(f"{path}: {len(body):,} bytes")
    assert len(body) <= MOST_BYTES


def test_what_is_served_is_what_the_source_makes(node: str, tmp_path: Path) -> None:
    fresh = tmp_path / "tracker.js"
    subprocess.run([node, TRACKER / "build.mjs", fresh, tmp_path / "dist"], check=True)
    assert fresh.read_bytes() == BUILT.read_bytes(), "run `make tracker`"


def test_its_types_are_strict_and_what_pages_write_fits_them(node: str) -> None:
    done = npm("run", "--silent", "check", within=TRACKER)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.fixture
def package(node: str, tmp_path: Path) -> Path:
    """A copy of the package's source, where it may be built."""
    copy = tmp_path / "web/tracker"
    shutil.copytree(TRACKER, copy, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (copy / "node_modules").symlink_to((TRACKER / "node_modules").resolve())
    done = npm("run", "--silent", "build", within=copy)
    assert (done.stdout, done.returncode) == ("", 0), done.stderr
    return copy


def npm(*command: str, within: Path) -> subprocess.CompletedProcess[str]:
    path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [NODE.parent / "npm", *command],
        cwd=within,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_package_has_the_modules_and_their_types(package: Path) -> None:
    [packed] = json.loads(npm("pack", "--dry-run", "--json", within=package).stdout)
    files = {file["path"] for file in packed["files"]}
    assert {f"dist/{name}" for name in ("index.js", "index.d.ts", "react.js", "react.d.ts")} <= files
    assert not any(name.startswith(("src/", "node_modules/")) for name in files)


CONSUMER = """
import { tracker } from "@footfall/tracker";
import { usePageViews } from "@footfall/tracker/react";

interface Query { query: string; count?: number }
declare const query: Query;
tracker.track({ eventType: "search", metadata: query });
tracker.trackAction("search", "content_discovery", query);
tracker.identify("a.b.c", query);
usePageViews("/path");
"""


@pytest.mark.parametrize("resolution", ["nodenext", "bundler"])
def test_its_types_are_found_and_hold_where_it_is_used(node: str, package: Path, resolution: str) -> None:
    consumer = package.parents[1] / "consumer"
    (consumer / "node_modules/@footfall").mkdir(parents=True)
    (consumer / "node_modules/@footfall/tracker").symlink_to(package)
    (consumer / "package.json").write_text('{"type": "module"}')
    module = "nodenext" if resolution == "nodenext" else "esnext"

    def check(source: str) -> str:
        (consumer / "page.ts").write_text(source)
        options = [
            "--strict",
            "--noEmit",
            "--types",
            "",
            "--module",
            module,
            "--moduleResolution",
            resolution,
        ]
        command = [node, str(TRACKER / "node_modules/typescript/bin/tsc"), *options, "page.ts"]
        return subprocess.run(command, cwd=consumer, capture_output=True, text=True, check=False).stdout

    assert check(CONSUMER) == ""
    for wrong in ("const n: number = tracker;", "tracker.trackAction(1, 2);", "usePageViews(1);"):
        assert "page.ts(12," in (said := check(f"{CONSUMER}\n{wrong}")), (wrong, said)


ON_A_SERVER = """
import { tracker } from "./dist/index.js";
await tracker.trackAction("a", "b");
await tracker.init({ endpoint: "http://127.0.0.1:1", writeKey: "k" });
await tracker.identify("a.b.c");
tracker.viewContent("a", "b").end();
"""


def test_on_a_server_the_module_does_nothing(node: str, tmp_path: Path) -> None:
    subprocess.run([node, TRACKER / "build.mjs", tmp_path / "tracker.js", tmp_path / "dist"], check=True)
    page = tmp_path / "page.mjs"
    page.write_text(ON_A_SERVER)
    done = subprocess.run([node, page], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_where_a_blocker_stops_it_the_line_of_its_guide_keeps_calls_from_failing(
    page: Page, shop: Shop
) -> None:
    [line] = re.findall(
        r"^ *(window\.tracker \?\?=.*)$", (PROJECT / "docs/tracker.md").read_text(), re.MULTILINE
    )
    page.route("**/tracker.js", lambda route: route.abort())
    page.goto(shop.url)
    assert page.evaluate("typeof tracker") == "undefined"
    page.evaluate(f"() => {{ {line} }}")
    page.evaluate("tracker.viewContent('project', 'p').end(); tracker.trackAction('a', 'b').then(() => {})")
    page.unroute("**/tracker.js")
    page.reload()
    assert (
        page.evaluate(f"(() => {{ const real = tracker; {line} return real === window.tracker; }})()") is True
    )


def test_it_works_by_any_name_and_other_paths_on_another_host(page: Page, shop: Shop, run: str) -> None:
    shop.script = "/js/pages.js"
    shop.attributes = {"endpoint": f"{shop.door.url}/", "path": "/v1/events?by=proxy"}
    page.goto(shop.url)
    assert [post.path for post in eventually(lambda: shop.door.posts)] == ["/v1/events?by=proxy"]
    assert len(shop.door.taken) == 1


def test_no_cookie_goes_with_events_to_the_sites_own_host_either(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.door.url}/health")
    page.evaluate("() => { document.cookie = 'theirs=1' }")
    page.evaluate(
        "(tag) => document.head.append(document.createRange().createContextualFragment(tag))", shop.tag
    )
    [post] = eventually(lambda: shop.door.posts)
    assert "cookie" not in post.headers


def test_a_policy_without_inline_script_is_no_hindrance(page: Page, shop: Shop, run: str) -> None:
    api = shop.door.url
    shop.headers = {"content-security-policy": f"default-src 'self'; script-src {api}; connect-src {api}"}
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(shop.url)
    assert eventually(lambda: shop.door.taken)[0]["event_type"] == "page_view"
    assert said == []


def test_loaded_twice_it_is_one_tracker(page: Page, shop: Shop, run: str) -> None:
    shop.head = shop.tag.replace("/tracker.js", "/js/again.js")
    page.goto(shop.url)
    page.evaluate("(run) => tracker.trackAction(run, 'test')", run)
    page.evaluate(
        "(tag) => document.head.append(document.createRange().createContextualFragment(tag))", shop.tag
    )
    page.wait_for_timeout(1000)
    page.evaluate("history.pushState({}, '', '/next')")
    eventually(lambda: shop.door.taken)
    page.wait_for_timeout(4000)
    assert sorted(event["event_type"] for event in shop.door.taken) == [
        "page_view",
        "page_view",
        "user_action",
    ]


def test_it_says_in_the_console_what_becomes_of_events(page: Page, shop: Shop, run: str) -> None:
    shop.attributes = {"debug": ""}
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(shop.url)
    page.evaluate("tracker.track({eventType: 'search'}); tracker.track({})")
    eventually(lambda: shop.door.posts)
    page.wait_for_timeout(500)
    assert said == [
        '[footfall] sent 3 202 {"accepted":2,"rejected":[{"index":2,"error":"event_type: is required"}]}'
    ]
    shop.door.instead = lambda method, path: (503, {"access-control-allow-origin": "*"})
    page.evaluate("tracker.track({eventType: 'search'})")
    eventually(lambda: len(shop.door.posts) > 1)
    page.wait_for_timeout(500)
    assert re.fullmatch(r"\[footfall\] 503 {} 1 waiting \d+ ms", said[-1])
    page.context.set_offline(True)
    page.wait_for_timeout(2500)
    assert re.fullmatch(r"\[footfall\] TypeError: Failed to fetch.* 1 waiting \d+ ms", said[-1], re.DOTALL)
    page.evaluate("tracker.optOut(); tracker.track({eventType: 'search'})")
    page.wait_for_timeout(100)
    assert said[-1] == "[footfall] dropped: opted out"
