"""Lambda's Invoke API at its HTTP edge, before handlers of this process."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = Callable[[Any], Any]


@contextmanager
def serving(handlers: Mapping[str, Handler]) -> Iterator[str]:
    """Yields the address. What a handler raises is answered as Lambda does; a name it doesn't know, too."""

    class Invocations(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["content-length"])))
            function = handlers.get(self.path.split("/")[3])
            if function is None:
                self._answer(
                    404, {"Message": "Function not found"}, "X-Amzn-ErrorType", "ResourceNotFoundException"
                )
                return
            try:
                self._answer(200, function(event), "X-Amz-Executed-Version", "$LATEST")
            except Exception as error:  # noqa: BLE001
                said = {"errorMessage": str(error), "errorType": type(error).__name__}
                self._answer(200, said, "X-Amz-Function-Error", "Unhandled")

        def _answer(self, status: int, body: Any, header: str, value: str) -> None:
            self.send_response(status)
            self.send_header(header, value)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Invocations)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
