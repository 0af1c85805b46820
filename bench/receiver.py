"""A webhook's receiver on the loopback that answers at once and remembers when each request began to arrive."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

PATIENCE = 30.0
"""Seconds to wait for requests."""


class Receiver:
    """Listens while in use as a context. `arrivals`: the first byte of each request, in monotonic seconds."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._arrived))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def wait(self, count: int, patience: float = PATIENCE) -> bool:
        """Wait until so many requests have arrived; False if they do not come."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.arrivals) >= count, patience)

    def _arrived(self, moment: float) -> None:
        with self._changed:
            self.arrivals.append(moment)
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(arrived: Callable[[float], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.rfile.peek(1)  # type: ignore[attr-defined]  # waits for the first byte
            self._began = time.monotonic()
            super().handle_one_request()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()
            arrived(self._began)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler
