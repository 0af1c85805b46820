"""Hands one mail to a mail server, within one deadline, and says what its answers mean. Retries nothing.

smtplib's time-outs hold for single operations, so a server that drips would outlast them. Here a timer closes the
socket at the deadline, which ends whatever waits.
"""

import contextlib
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent.channels.shared.exchange import DETAIL_LIMIT
from agent.channels.shared.http import TLS_ADVICE, Client
from agent.core.ports import SendError, SendErrorKind
from agent.core.redact import Redactor, Secret
from agent.core.text import cut, strip_controls, utf8

RETRY_AFTER = 60.0
"""Seconds before a temporary refusal is tried again: greylisting wants at least that."""
_SIZE_EXCEEDED = (552, 554)
OWN_NAME = "[127.0.0.1]"
"""What to say hello as: an address literal, so that no look-up of the own name can hang."""
_AUTH_CODES = frozenset({530, 534, 535, 538})
_DOT = re.compile(rb"(?m)^\.")


class Security(StrEnum):
    """How the connection is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and as whom."""

    host: str
    port: int
    security: Security
    username: str | None = None
    password: Secret | None = None


class _Session(smtplib.SMTP):
    """An SMTP session over a connection that was made elsewhere. `written`: the whole mail has been."""

    def __init__(self, connection: socket.socket, host: str) -> None:
        super().__init__(local_hostname=OWN_NAME)
        self.written = False
        self._connection = connection
        self._host = host  # the name that STARTTLS verifies

    def open(self) -> None:
        """Read the greeting. Raises SMTPConnectError."""
        code, words = self.connect(self._host)
        if code != 220:  # noqa: PLR2004 - the greeting of RFC 5321
            raise smtplib.SMTPConnectError(code, words)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 - smtplib's hook
        return self._connection

    def hand_over(self, sender: str, recipients: Sequence[str], content: bytes) -> None:
        """Send one mail; a recipient that is refused keeps none of the others from theirs."""
        code, words = self.mail(sender)
        if code != 250:  # noqa: PLR2004 - accepted, RFC 5321
            raise smtplib.SMTPSenderRefused(code, words, sender)
        answers = {recipient: self.rcpt(recipient) for recipient in recipients}
        if not any(code in (250, 251) for code, _ in answers.values()):
            raise smtplib.SMTPRecipientsRefused(answers)
        code, words = self.docmd("DATA")
        if code != 354:  # noqa: PLR2004 - go ahead, RFC 5321
            raise smtplib.SMTPDataError(code, words)
        self.send(_DOT.sub(b"..", content) + (b"" if content.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        self.written = True
        code, words = self.getreply()
        if code != 250:  # noqa: PLR2004 - accepted
            self.written = False
            raise smtplib.SMTPDataError(code, words)


def deliver(
    server: MailServer, http: Client, redactor: Redactor, timeout: float, sender: str, recipients: Sequence[str],
    content: bytes,
) -> None:  # fmt: skip
    """Hand a mail in. Raises SendError."""
    with _session(server, http, redactor, timeout) as session:
        session.hand_over(sender, recipients, content)


def verify(server: MailServer, http: Client, redactor: Redactor, timeout: float) -> None:
    """Connect, secure the connection and log in; hand nothing in. Raises SendError."""
    with _session(server, http, redactor, timeout) as session:
        session.noop()


@contextlib.contextmanager
def _session(server: MailServer, http: Client, redactor: Redactor, timeout: float) -> Iterator[_Session]:
    connection = http.connect(server.host, server.port, timeout)
    connection.settimeout(timeout)
    timer = threading.Timer(timeout, _shut, [connection])
    timer.daemon = True
    timer.start()
    session = None
    try:
        if server.security is Security.TLS:
            connection = http.tls.wrap_socket(connection, server_hostname=server.host)
        session = _Session(connection, server.host)
        session.open()
        _log_in(session, server, http.tls)
        yield session
    except (smtplib.SMTPException, OSError) as error:
        raise _meaning(error, server, redactor, written=session is not None and session.written) from None
    finally:
        if session is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                session.quit()
            session.close()
        timer.cancel()
        connection.close()


def _log_in(session: _Session, server: MailServer, context: ssl.SSLContext) -> None:
    session.ehlo()
    if server.security is Security.STARTTLS:
        session.starttls(context=context)
        session.ehlo()
    if server.username is not None and server.password is not None:
        session.login(server.username, server.password.reveal())


def _meaning(error: Exception, server: MailServer, redactor: Redactor, *, written: bool) -> SendError:
    """Say what a failure means for the mail."""
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        why = getattr(error, "verify_message", None) or error.reason
        return SendError(SendErrorKind.MISCONFIGURED, f"{server.host}: no TLS ({why}); {TLS_ADVICE}", reason="tls")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        text = f"{server.host}: it does not offer what the settings ask for ({error})"
        return SendError(SendErrorKind.MISCONFIGURED, text, reason="auth_error")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _refused_by_all(error, redactor)
    if isinstance(error, smtplib.SMTPResponseException):
        return _answered(error, redactor)
    if written:
        text = f"{server.host}: the mail was sent, but no answer came"
        return SendError(SendErrorKind.UNCERTAIN, text, reason="timeout")
    why = getattr(error, "strerror", None) or "the connection was lost, or the time was over"
    return SendError(SendErrorKind.RETRY, f"{server.host}: {why}", reason="network")


def _answered(error: smtplib.SMTPResponseException, redactor: Redactor) -> SendError:
    code = error.smtp_code
    detail = _said(code, error.smtp_error, redactor)
    if code // 100 != 5:  # noqa: PLR2004 - what is not refused for good may pass; half an answer may be any number
        return SendError(SendErrorKind.RETRY, detail, retry_after=RETRY_AFTER, reason="server_error")
    if isinstance(error, smtplib.SMTPAuthenticationError) or code in _AUTH_CODES:
        return SendError(SendErrorKind.MISCONFIGURED, detail, reason="auth_error")
    if isinstance(error, smtplib.SMTPDataError) or code in _SIZE_EXCEEDED:
        return SendError(SendErrorKind.REJECTED, detail, reason="client_error")
    return SendError(SendErrorKind.MISCONFIGURED, detail, reason="client_error")


def _refused_by_all(error: smtplib.SMTPRecipientsRefused, redactor: Redactor) -> SendError:
    answers = list(error.recipients.values())
    soft = next(((code, words) for code, words in answers if code // 100 == 4), None)  # noqa: PLR2004 - may pass
    if soft is not None:
        detail = _said(*soft, redactor)
        return SendError(SendErrorKind.RETRY, detail, retry_after=RETRY_AFTER, reason="server_error")
    return SendError(SendErrorKind.MISCONFIGURED, _said(*answers[0], redactor), reason="client_error")


def _said(code: int, words: bytes | str, redactor: Redactor) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    cleaned = " ".join(redactor.clean(strip_controls(text)).split())
    return cut(f"SMTP {code}: {cleaned}", DETAIL_LIMIT, measure=utf8)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
