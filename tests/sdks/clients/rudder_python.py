"""Every kind of call through rudder-sdk-python."""

import sys
from datetime import datetime, timedelta

from rudderstack.analytics import Client

host, key, run, at, *flags = sys.argv[1:]
failures: list[Exception] = []
client = Client(key, host=host, gzip="gzip" in flags, on_error=lambda error, _: failures.append(error))
moments = (datetime.fromisoformat(at) + timedelta(minutes=minute) for minute in range(7))


def said() -> dict[str, object]:
    return {"timestamp": next(moments), "context": {"sessionId": f"{run}-session"}}


client.identify(run, {"profile_completeness": 40}, **said())
client.track(run, "Signed Up", {"plan": "pro", "rate": float("nan"), "note": "\x00\ud800"}, **said())
client.track(run, "Product Viewed", {"product_id": f"{run}-product"}, **said())
client.page(run, name="Pricing", properties={"path": "/pricing"}, **said())
# Given one name, these SDKs send it as the category.
client.screen(run, "Checkout", **said())
client.group(run, f"{run}-group", {"name": "Acme"}, **said())
client.alias(f"{run}-visitor", run, **said())
client.shutdown()
sys.exit(f"failed: {failures}" if failures else 0)
