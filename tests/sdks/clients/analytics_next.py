"""Every kind of call through @segment/analytics-next in a real Chromium: one by one, or in batches."""

import json
import os
import sys
import threading
from datetime import datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Request, sync_playwright

from tests.needing import CHROMIUM

LIBRARY = Path(__file__).parent / "node_modules/@segment/analytics-next/dist/umd"
PAGE = """<!doctype html><title>Shop</title><script src="/index.js"></script>"""
CALLS = """async ({host, key, run, moments, delivery}) => {
  const settings = {integrations: {"Segment.io": delivery}};
  const [analytics] = await AnalyticsNext.AnalyticsBrowser.load({writeKey: key, cdnURL: host}, settings);
  analytics.setAnonymousId(run);
  const said = () => ({timestamp: new Date(moments.shift()), context: {sessionId: `${run}-session`}});
  const contexts = await Promise.all([
    analytics.identify(run, {profile_completeness: 40}, said()),
    analytics.track("Signed Up", {plan: "pro", note: "\\u0000\\ud800"}, said()),
    analytics.track("Product Viewed", {product_id: `${run}-product`}, said()),
    analytics.page(undefined, "Pricing", {path: "/pricing"}, said()),
    analytics.screen(undefined, "Checkout", {}, said()),
    analytics.group(`${run}-group`, {name: "Acme"}, said()),
    analytics.alias(run, `${run}-visitor`, said()),
  ]);
  return contexts.map((context) => context.failedDelivery()?.reason?.message).filter(Boolean);
}"""
BATCHING = {"deliveryStrategy": {"strategy": "batching", "config": {"size": 7, "timeout": 1000}}}


class Shop(SimpleHTTPRequestHandler):
    """The page, and the library beside it: another origin than the API's."""

    def do_GET(self) -> None:
        if self.path != "/shop":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def main(host: str, key: str, run: str, at: str, mode: str) -> None:
    moments = [(datetime.fromisoformat(at) + timedelta(minutes=minute)).isoformat() for minute in range(7)]
    delivered: set[str] = set()

    def note(request: Request) -> None:
        answer = request.response()
        if request.method == "POST" and answer is not None and answer.ok:
            document = json.loads(request.post_data or "{}")
            delivered.update(message["messageId"] for message in document.get("batch", [document]))

    shop = ThreadingHTTPServer(("127.0.0.1", 0), partial(Shop, directory=str(LIBRARY)))
    threading.Thread(target=shop.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            env={**os.environ, "LD_LIBRARY_PATH": str(Path(CHROMIUM).parent / "al2023/lib")},
        )
        page = browser.new_page()
        page.on("requestfinished", note)
        page.goto(f"http://127.0.0.1:{shop.server_port}/shop")
        said = {"host": host, "key": key, "run": run, "moments": moments}
        failures = page.evaluate(CALLS, {**said, "delivery": BATCHING if mode == "batching" else {}})
        for _ in range(600):
            if len(delivered) == 7:
                break
            page.wait_for_timeout(100)
        browser.close()
    sys.exit(f"delivered {len(delivered)}, failed: {failures}" if len(delivered) < 7 else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
