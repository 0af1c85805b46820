"""A receiver on the loopback interface that answers as it is told, badly too, and remembers what it was sent.

    with StandIn(Answer(500), Answer(200, body=b"ok")) as receiver:
        ...                      # the first request gets 500, the second and all later ones 200
        receiver.wait_for(2)     # blocks until two requests have been read, then returns them
"""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

PATIENCE = 20.0
"""Seconds before a wait for something that never comes fails the test."""
CERTIFICATE = Path(__file__).with_name("localhost.pem")
"""A certificate for `localhost` that nobody trusts, with its key."""


class Manner(Enum):
    """How an answer is given."""

    WHOLE = "whole"
    HANG = "read the request, answer nothing"
    DRIP_HEADERS = "a byte at a time, beginning with the status line"
    DRIP_BODY = "headers at once, then the body a byte at a time, without end"
    RESET = "read the request, then reset the connection"
    RESET_UNREAD = "reset the connection after the first bytes of the request"
    CLOSE = "read the request, then close the connection"
    RAW = "read the request, then send the body as it is, without status or headers"
    GREET = "send the body as it is, after the first bytes of whatever comes"


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    manner: Manner = Manner.WHOLE

    def head(self) -> bytes:
        headers = {"Content-Length": str(len(self.body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} -", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    at: float
    """Monotonic seconds, when the request had been read."""
    connection: int
    """Counts from 1; equal for requests on one connection."""


class StandIn:
    """Gives `answers` in order, and the last one from then on; `judge` may overrule it after seeing the request."""

    def __init__(
        self, *answers: Answer, judge: Callable[[Received], Answer | None] | None = None, tls: bool = False,
        drip: float = 0.05,
    ) -> None:
        self._answers = list(answers) or [Answer(200, body=b"ok")]
        self._judge = judge
        self._drip = drip
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
        if self._tls:
            self._tls.load_cert_chain(CERTIFICATE)
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.received: list[Received] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        host = f"localhost:{self.port}" if tls else f"127.0.0.1:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{host}"
        self._start(self._accept)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def answer_with(self, *answers: Answer) -> None:
        """Replace what has not been answered yet."""
        with self._changed:
            self._answers = list(answers)

    def wait_for(self, count: int, patience: float = PATIENCE) -> list[Received]:
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.received) >= count, patience)
            assert came, f"{len(self.received)} of {count} requests came within {patience} s"
            return list(self.received)

    def drop(self) -> None:
        """Close every connection there is, without a word, as servers do with idle ones."""
        with self._changed:
            open_sockets = list(self._connections)
        for item in open_sockets:
            _shut(item)

    def close(self) -> None:
        self._stopped.set()
        _shut(self._listener)
        self.drop()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"{thread.name} did not end"
        self._listener.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name=f"stand-in {self.port}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        number = 0
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            self._start(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with self._changed:
            self._connections.add(connection)
        try:
            if self._tls:
                connection = self._wrap(connection)
            while not self._stopped.is_set() and self._exchange(connection, number):
                pass
        except OSError:  # the client has gone, or the stand-in was closed
            pass
        finally:
            connection.close()

    def _wrap(self, connection: socket.socket) -> socket.socket:
        wrapped = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._changed:
            self._connections = {item for item in self._connections if item is not connection} | {wrapped}
        try:
            wrapped.do_handshake()
        except OSError:
            wrapped.close()
            raise
        return wrapped

    def _exchange(self, connection: socket.socket, number: int) -> bool:
        """Read one request and answer it; False when the connection is over."""
        manner = self._next().manner
        if manner in (Manner.RESET_UNREAD, Manner.GREET):
            connection.recv(65_536 if manner is Manner.GREET else 1)
            if manner is Manner.RESET_UNREAD:
                return _reset(connection)
            connection.sendall(self._next().body)
            return False
        request = _read(connection, number)
        if request is None:
            return False
        answer = self._take(request)
        with self._changed:
            self.received.append(request)
            self._changed.notify_all()
        return self._give(connection, answer)

    def _next(self) -> Answer:
        with self._changed:
            return self._answers[0]

    def _take(self, request: Received) -> Answer:
        with self._changed:
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return (self._judge and self._judge(request)) or answer

    def _give(self, connection: socket.socket, answer: Answer) -> bool:
        match answer.manner:
            case Manner.WHOLE:
                connection.sendall(answer.head() + answer.body)
                return answer.headers.get("Connection") != "close"
            case Manner.RAW:
                connection.sendall(answer.body)
            case Manner.HANG:
                self._stopped.wait()
            case Manner.DRIP_HEADERS:
                self._trickle(connection, answer.head())
            case Manner.DRIP_BODY:
                head = Answer(answer.status, {**answer.headers, "Content-Length": "1000000"}).head()
                connection.sendall(head + answer.body)
                self._trickle(connection, b" " * 1_000_000)
            case Manner.RESET:
                return _reset(connection)
        return False

    def _trickle(self, connection: socket.socket, data: bytes) -> None:
        for value in data:
            if self._stopped.wait(self._drip):
                return
            connection.sendall(bytes([value]))


def _read(connection: socket.socket, number: int) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    missing = int(headers.get("content-length", 0)) - len(body)
    while missing > 0:
        part = connection.recv(min(missing, 65_536))
        if not part:
            return None
        body += part
        missing -= len(part)
    method, path, _ = first.split(" ")
    return Received(method, path, headers, body, time.monotonic(), number)


def _reset(connection: socket.socket) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False


def _shut(item: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed already
        item.shutdown(socket.SHUT_RDWR)


def refused_url() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def bodies(requests: Iterable[Received]) -> list[bytes]:
    return [request.body for request in requests]
