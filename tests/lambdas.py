"""Lambda's Invoke API at its HTTP edge, before handlers of this process; and a CloudFormation stack."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

Handler = Callable[[Any], Any]

_DESCRIBED = (
    "<Response><DescribeStackResourceResult><StackResourceDetail><PhysicalResourceId>{}</PhysicalResourceId>"
    "</StackResourceDetail></DescribeStackResourceResult></Response>"
)
_NO_STACK = "<R><Error><Code>ValidationError</Code><Message>it does not exist</Message></Error></R>"
_NO_FUNCTION = {"x-amzn-errortype": "ResourceNotFoundException"}


@contextmanager
def serving(handlers: Mapping[str, Handler], resources: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yields the address; there is one stack, `ours`.

    Args:
        handlers: by the function's name. What one raises is answered as Lambda does.
        resources: names by logical ids.
    """
    server = _Server(handlers, resources or {})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def __init__(self, handlers: Mapping[str, Handler], resources: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Aws)
        self.handlers = handlers
        self.resources = resources


class _Aws(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/":
            self._describe({name: values[0] for name, values in parse_qs(body.decode()).items()})
        elif function := self.server.handlers.get(self.path.split("/")[3]):
            self._invoke(function, json.loads(body))
        else:
            self._answer(404, "{}", _NO_FUNCTION)

    def _invoke(self, function: Handler, event: Any) -> None:
        try:
            self._answer(200, json.dumps(function(event)))
        except Exception as error:  # noqa: BLE001
            said = {"errorMessage": str(error), "errorType": type(error).__name__}
            self._answer(200, json.dumps(said), {"x-amz-function-error": "Unhandled"})

    def _describe(self, asked: Mapping[str, str]) -> None:
        if asked["StackName"] == "ours":
            self._answer(200, _DESCRIBED.format(self.server.resources[asked["LogicalResourceId"]]))
        else:
            self._answer(400, _NO_STACK)

    def _answer(self, status: int, body: str, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        pass
