"""The web server: uvicorn on a thread of its own."""

import asyncio
import socket
import threading
from contextlib import suppress
from email.utils import formatdate

import uvicorn
from anyio import to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.web.listener import BACKLOG, Listener

READERS = 2
"""Threads that may block on the store at the same time; a third request waits."""
CONNECTIONS = 128
HEADER_BYTES = 16 * 1024
GOODBYE = 1
"""Seconds that open requests may take at the end."""


class Server:
    """Serves `app` on `listener` from a daemon thread; a part for the supervisor."""

    def __init__(self, listener: Listener, app: ASGIApp) -> None:
        self.name = "web"
        self._listener = listener
        self._app = app
        self._thread: threading.Thread | None = None
        self._uvicorn: _Uvicorn | None = None

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Serve; requests made from now on are answered."""
        self._uvicorn = _Uvicorn(_config(self._app))
        serving = (self._listener.share(),)
        self._thread = threading.Thread(target=self._uvicorn.serve_on, args=serving, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; returns at once."""
        if self._uvicorn is not None:
            self._uvicorn.ask_to_end()

    def join(self, timeout: float) -> bool:
        """Wait for its end, and give the address back; returns whether it has ended."""
        if self._thread is not None:
            self._thread.join(timeout)
        self._listener.close()
        return not self.alive


class _Uvicorn(uvicorn.Server):
    """uvicorn, woken by requests and by the end alone: its own look at the clock, ten times a second, is left out."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def serve_on(self, sock: socket.socket) -> None:
        """Serve until asked to end; runs on the server's thread."""
        asyncio.run(self._serve_on(sock))

    def ask_to_end(self) -> None:
        """For any thread."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._ending.set)

    async def main_loop(self) -> None:
        """Prepare the headers of all answers, and wait for the end."""
        if not await self.on_tick(0):
            await self._ending.wait()

    async def _serve_on(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        to_thread.current_default_thread_limiter().total_tokens = READERS
        await self.serve(sockets=[sock])


def _config(app: ASGIApp) -> uvicorn.Config:
    """No logging of its own, no trust in a proxy's word on who the client is, nothing that need not be loaded."""
    return uvicorn.Config(
        _dated(app),
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        date_header=False,
        server_header=False,
        workers=1,
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=GOODBYE,
    )


def _dated(app: ASGIApp) -> ASGIApp:
    """Add a `Date` to each answer when it is given: uvicorn would have to be woken every second for that."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = (b"date", formatdate(usegmt=True).encode("ascii"))
                message = {**message, "headers": [*message["headers"], date]}
            await send(message)

        await app(scope, receive, send_dated)

    return serve
