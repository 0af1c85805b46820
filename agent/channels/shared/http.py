"""The one HTTP client of all channels, and what its failures mean. May not retry, follow a redirect or read cookies.

It stands on httpcore, not on httpx: httpcore sends the URL's bytes as they are (a Teams signature covers them) and
lets the network beneath be replaced (`wire`), which is what makes a deadline hold; and it is 5 MiB smaller.
"""

import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

import certifi
import httpcore

from agent.channels.shared.exchange import Request, Response
from agent.channels.shared.urls import forbidden, is_loopback
from agent.channels.shared.wire import AddressRefused, Wire
from agent.core.clock import Clock
from agent.core.ports import SendError, SendErrorKind
from agent.core.redact import Secret

BODY_LIMIT = 64 * 1024
"""Bytes of an answer that are read; the rest is not waited for."""
KEEP_ALIVE = 3.0
"""Seconds an idle connection is kept for the next message, less than servers do: a reset on reuse is ambiguous."""

TLS_ADVICE = (
    "common causes are a wrong clock on this machine, a proxy that intercepts TLS, or a private certificate authority: "
    "name its certificate in [http] ca_file"
)

Ask = Callable[[Request], Response]
"""Sends a request and reads the answer. Raises SendError."""

FAILURES = (
    httpcore.NetworkError, httpcore.TimeoutException, httpcore.RemoteProtocolError, httpcore.ProxyError, OSError,
    AddressRefused,
)  # fmt: skip
"""All that can go wrong outside; anything else is a bug."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How to reach the outside: `proxy` is an `http://` URL, perhaps with credentials; `ca_file` adds certificates."""

    proxy: Secret | None = None
    ca_file: Path | None = None
    user_agent: str = "gpuwarden"


class Client:
    """Sends one request at a time for each calling thread; safe to share between threads."""

    def __init__(self, settings: HttpSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._pools: dict[tuple[bool, bool], httpcore.ConnectionPool] = {}

    def request(self, request: Request, timeout: float) -> Response:
        """Send and read the answer within `timeout` seconds, whatever the server does. Raises SendError."""
        return self.calls(timeout)(request)

    def calls(self, timeout: float) -> Ask:
        """Send several requests, one after the other, that have `timeout` seconds for all of them together."""
        until = self._clock.now().monotonic + timeout
        return lambda request: self._request(request, until)

    def _request(self, request: Request, until: float) -> Response:
        call = _Call()
        extensions = {"timeout": dict.fromkeys(("connect", "read", "write"), until), "trace": call.trace}
        headers = {"User-Agent": self._settings.user_agent, **request.headers}.items()
        host = urlsplit(request.url).hostname or ""
        try:
            with self._pool(request.url, host).stream(
                request.method, request.url, headers=tuple(headers), content=request.content, extensions=extensions
            ) as response:
                return _read(response)
        except FAILURES as error:
            raise classify(error, host, written=call.written) from None

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """Open a bare connection, through the proxy if one is set, for what is not HTTP. Raises SendError."""
        until = self._clock.now().monotonic + timeout
        wire = Wire(self._clock)
        try:
            if self._settings.proxy is None or is_loopback(host):
                return _socket(wire.connect_tcp(host, port, until))
            if forbidden(host):
                raise AddressRefused(host)
            parts = urlsplit(self._settings.proxy.reveal())
            stream = wire.connect_tcp(parts.hostname or "", parts.port or 80, until)
            try:
                _tunnel(stream, host, port, _proxy(self._settings.proxy), until)
            except FAILURES:
                stream.close()
                raise
            return _socket(stream)
        except FAILURES as error:
            raise classify(error, host, written=False) from None

    def close(self) -> None:
        """Let go of idle connections."""
        for pool in self._pools.values():
            pool.close()

    def _pool(self, url: str, host: str) -> httpcore.ConnectionPool:
        if forbidden(host):  # behind a proxy nobody else would look
            raise AddressRefused(host)
        secure = url.startswith("https:")
        proxied = self._settings.proxy is not None and not is_loopback(host)
        if (secure, proxied) not in self._pools:
            self._pools[secure, proxied] = self._new_pool(secure=secure, proxied=proxied)
        return self._pools[secure, proxied]

    def _new_pool(self, *, secure: bool, proxied: bool) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            ssl_context=self.tls if secure else None,
            proxy=_proxy(self._settings.proxy) if proxied and self._settings.proxy is not None else None,
            max_connections=None,
            max_keepalive_connections=1,
            keepalive_expiry=KEEP_ALIVE,
            network_backend=Wire(self._clock),
        )

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Whom to believe: the system's certificates (`SSL_CERT_FILE` is honoured) or certifi's, and `ca_file`'s."""
        context = ssl.create_default_context()
        folder = ssl.get_default_verify_paths().capath  # certificates in a folder are loaded on demand, so not counted
        if not context.cert_store_stats()["x509_ca"] and not (folder and any(Path(folder).iterdir())):
            context.load_verify_locations(certifi.where())
        if self._settings.ca_file is not None:
            try:
                context.load_verify_locations(self._settings.ca_file)
            except OSError as error:  # ssl.SSLError is one
                text = f"[http] ca_file cannot be used: {error.strerror or 'it holds no certificate'}"
                raise SendError(SendErrorKind.MISCONFIGURED, text, reason="tls") from None
        return context


def _proxy(url: Secret) -> httpcore.Proxy:
    parts = urlsplit(url.reveal())
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return httpcore.Proxy(f"http://{parts.netloc.rpartition('@')[2]}", auth=login)


def _tunnel(stream: httpcore.NetworkStream, host: str, port: int, proxy: httpcore.Proxy, until: float) -> None:
    """Ask a proxy for a connection to somebody else. Raises httpcore's errors."""
    login = ""
    if proxy.auth is not None:
        login = f"Proxy-Authorization: Basic {b64encode(b':'.join(proxy.auth)).decode()}\r\n"
    stream.write(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{login}\r\n".encode(), until)
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = stream.read(1, until)
        if not data or len(answer) > BODY_LIMIT:
            raise httpcore.ProxyError("000 no answer")
        answer += data
    status = answer.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise httpcore.ProxyError((status[0] if status else b"000").decode("latin-1"))


def _socket(stream: httpcore.NetworkStream) -> socket.socket:
    found = stream.get_extra_info("socket")
    assert isinstance(found, socket.socket)
    return found


class _Call:
    """Follows one request, to know whether all of it had been written when something failed."""

    written = False

    def trace(self, event: str, _: object) -> None:
        if event.endswith("send_request_body.complete"):
            self.written = True
        elif event.endswith("start_tls.started"):  # what was written before was the proxy's CONNECT
            self.written = False


def _read(response: httpcore.Response) -> Response:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
    body = bytearray()
    try:
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                return Response(response.status, headers, bytes(body[:BODY_LIMIT]), whole=False)
    except FAILURES:  # the status has been read, and it may be all that the channel needs
        return Response(response.status, headers, bytes(body), whole=False)
    return Response(response.status, headers, bytes(body))


def classify(error: Exception, host: str, *, written: bool) -> SendError:
    """Say what a failure means for the message. The text names the host alone, never the URL."""
    cause = _cause(error)
    if isinstance(error, AddressRefused):
        text = f"{host} is a link-local address, which is never called"
        return SendError(SendErrorKind.MISCONFIGURED, text)
    if isinstance(error, httpcore.ProxyError):
        return _proxy_refused(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        text = f"{host}: its certificate was not accepted ({cause.verify_message}); {TLS_ADVICE}"
        return SendError(SendErrorKind.MISCONFIGURED, text, reason="tls")
    if written:
        text = f"{host}: the message was sent, but no answer came"
        return SendError(SendErrorKind.UNCERTAIN, text, reason="timeout")
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        text = f"{host}: no TLS connection ({cause.reason}); {TLS_ADVICE}"
        return SendError(SendErrorKind.MISCONFIGURED, text, reason="tls")
    if isinstance(error, httpcore.WriteTimeout):
        return SendError(SendErrorKind.RETRY, f"{host}: it did not take the message in time", reason="timeout")
    why = cause.strerror if isinstance(cause, OSError) else None
    return SendError(SendErrorKind.RETRY, f"{host}: {why or 'no connection in time'}", reason="network")


def _cause(error: Exception) -> Exception:
    """Return what httpcore wrapped, which it keeps as its own error's argument, else the error itself."""
    wrapped = error.args[0] if error.args else None
    return wrapped if isinstance(wrapped, Exception) else error


def _proxy_refused(error: httpcore.ProxyError) -> SendError:
    status = re.match(r"\d{3}", str(error))
    code = int(status[0]) if status else None
    if code is not None and code // 100 == 4:  # noqa: PLR2004 - the class of refusals
        text = f"[http] proxy: it refuses the connection with HTTP {code}"
        return SendError(SendErrorKind.MISCONFIGURED, text, reason="auth_error", status=code)
    return SendError(SendErrorKind.RETRY, "[http] proxy: it cannot reach the host", reason="network", status=code)
