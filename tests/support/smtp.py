"""A real mail server on loopback that does as it is told: keeps mail, refuses it, or says nothing."""

import asyncio
import ssl
import warnings
from email import message_from_bytes, policy
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.support.agent import free_port

CERTIFICATE = Path(__file__).with_name("localhost.pem")
USER, PASSWORD = "alerts", "mail-s3cret-0123456789"


class _Handler:
    def __init__(self, answers, silent):
        self.mails, self.answers, self.silent = [], answers, silent

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        answer = self.answers.get(address)
        if answer is None:
            envelope.rcpt_tos.append(address)
            return "250 OK"
        return answer

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        if self.silent:
            await asyncio.sleep(3_600)
        answer = self.answers.get("DATA", "250 kept")
        if answer.startswith("250"):
            self.mails.append((envelope.mail_from, tuple(envelope.rcpt_tos), envelope.original_content))
        return answer


class MailServer:
    """`answers`: what is said to a recipient, or to MAIL or DATA, instead of yes. `silent`: DATA is never answered."""

    def __init__(self, *, tls=None, login=False, answers=None, silent=False):
        """`tls`: "starttls", "tls" or None; `login`: whether it wants `USER` and `PASSWORD`."""
        self.handler = _Handler(answers or {}, silent)
        self.port = free_port()
        context = None
        if tls is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(CERTIFICATE)
        warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS", UserWarning)
        self._controller = Controller(
            self.handler, hostname="127.0.0.1", port=self.port,
            tls_context=context if tls == "starttls" else None, require_starttls=tls == "starttls",
            ssl_context=context if tls == "tls" else None,
            authenticator=_check if login else None, auth_required=login, auth_require_tls=tls == "starttls",
        )  # fmt: skip

    def __enter__(self):
        self._controller.start()
        return self

    def __exit__(self, *_):
        self._controller.stop()

    @property
    def mails(self):
        """What was kept: sender, recipients, and the mail."""
        return [
            (sender, recipients, message_from_bytes(content, policy=policy.default))
            for sender, recipients, content in self.handler.mails
        ]

    @property
    def bytes(self):
        return [content for *_, content in self.handler.mails]


def _check(server, session, envelope, mechanism, data):
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=known)
