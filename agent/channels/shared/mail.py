"""A message as an e-mail: headers, a text part, an HTML part. Sends nothing.

The HTML is one table with inline styles, which every client shows, in the dark as well. A picture of what led to the
alert is a part of the mail: nothing is fetched from outside.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from agent.channels.shared import mail_table
from agent.core.clock import SECOND
from agent.core.message import Message
from agent.core.model import Link, Severity, Status
from agent.core.text import cut

SUBJECT_LIMIT = 200
"""Characters: phones show about 40, and headers are folded beyond 78."""
PART_LIMIT = 32_000
"""Characters of the text part; what an alert says is far below."""
COLOURS = {Severity.CRITICAL: "#e01e5a", Severity.WARNING: "#ecb22e", Severity.INFO: "#36c5f0"}
RESOLVED_COLOUR = "#2eb67d"
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_CELL = "padding:4px 16px 4px 0;vertical-align:top;font-size:14px;line-height:20px"
_POLICY = SMTP.clone(cte_type="7bit", max_line_length=78)
"""Seven bits and short lines pass every relay; non-ASCII text is encoded."""


def compose(
    message: Message, shown: Sequence[Link], key: str, sender: str, recipients: Sequence[str],
    picture: bytes | None = None,
) -> EmailMessage:  # fmt: skip
    """Write the mail. The same message and key make the same bytes, so that a repeat can be recognised.

    `picture` is the message's chart as PNG.
    """
    mail = EmailMessage(policy=_POLICY)
    domain = Address(addr_spec=_bare(sender)).domain
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = cut(" ".join(_subject(message).split()), SUBJECT_LIMIT)
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.at / SECOND, UTC))
    mail["Message-ID"] = f"<{_token(key)}@{domain}>"
    root = f"<{_token(_thread(message))}@{domain}>"
    mail["In-Reply-To"] = root
    mail["References"] = root
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["List-Id"] = f"gpuwarden <gpuwarden.{domain}>"
    if message.severity is Severity.CRITICAL and message.status is not Status.RESOLVED:
        mail["Importance"] = "high"
    mail.set_content(plain_text(message, shown), cte="quoted-printable")
    if not message.plain:
        name = f"{_token(key)}.chart@{domain}"
        page = html(message, shown, picture=None if picture is None else f"cid:{name}")
        mail.add_alternative(page, subtype="html", cte="quoted-printable")
        if picture is not None:
            _put_in(mail, picture, f"<{name}>", f"=={_token(f'chart of {key}')}==")
        mail.set_boundary(f"=={_token(key)}==")
    return mail


def _put_in(mail: EmailMessage, picture: bytes, name: str, boundary: str) -> None:
    """Make the HTML part one of two, which the picture belongs to."""
    page = mail.get_body(("html",))
    assert page is not None
    page.add_related(picture, "image", "png", cid=name, disposition="inline", filename="chart.png")
    page.set_boundary(boundary)


def plain_text(message: Message, shown: Sequence[Link]) -> str:
    """Write the part for clients without HTML, and for people who prefer it."""
    blocks = [
        message.headline,
        message.body,
        "\n".join(f"{label}: {value}" for label, value in message.facts),
        *("\n".join(table.lines()) for table in message.tables),
        "" if message.tables else "\n".join(f"  {line}" for line in message.evidence),
        f"Advice: {message.advice}" if message.advice else "",
        "\n".join(f"{link.text}: {link.url}" for link in shown),
        f"-- \n{message.footer}",
    ]
    return cut(_utf8("\n\n".join(filter(None, blocks))), PART_LIMIT) + "\n"


def html(message: Message, shown: Sequence[Link], *, picture: str | None = None) -> str:
    """Write the part that most people see; `picture` is the address of one, a part of the mail or the data itself."""
    colour = RESOLVED_COLOUR if message.status is Status.RESOLVED else COLOURS[message.severity]
    rows = "".join(f"<tr><td>{block}</td></tr>" for block in _blocks(message, shown, picture))
    return _utf8(
        '<!doctype html><html><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        '<meta name="viewport" content="width=device-width">'
        f'</head><body style="margin:0;padding:16px;{_FONT}">'
        '<table role="presentation" cellpadding="0" cellspacing="0" border="0" width="100%" '
        f'style="table-layout:fixed;max-width:640px;border-left:4px solid {colour};padding-left:16px">'
        f"{rows}</table></body></html>\n"
    )


def _blocks(message: Message, shown: Sequence[Link], picture: str | None) -> Iterator[str]:
    yield f'<h1 style="margin:0 0 8px;font-size:20px;line-height:28px">{escape(message.headline)}</h1>'
    if message.body:
        yield f'<p style="margin:0 0 12px;font-size:15px;line-height:22px">{escape(message.body)}</p>'
    if message.facts:
        rows = "".join(_fact(label, value) for label, value in message.facts)
        yield f'<table role="presentation" cellpadding="0" cellspacing="0" border="0">{rows}</table>'
    if message.evidence and not message.tables:
        lines = "\n".join(map(escape, message.evidence))
        style = "margin:12px 0;padding:8px;background:#f4f4f5;color:#18181b;font-size:12px;line-height:16px"
        yield f'<pre style="{style};white-space:pre-wrap;word-break:break-word">{lines}</pre>'
    if picture is not None and message.chart is not None:
        about = f'width="600" height="240" alt="{escape(message.chart.title)}"'
        yield f'<img src="{escape(picture)}" {about} style="display:block;max-width:100%;height:auto">'
    yield from map(mail_table.html, message.tables)
    if message.advice:
        yield f'<p style="margin:12px 0;font-size:14px"><b>Advice:</b> {escape(message.advice)}</p>'
    for link in shown:
        yield f'<p style="margin:4px 0"><a href="{escape(link.url)}">{escape(link.text)}</a></p>'
    yield f'<p style="margin:16px 0 0;font-size:12px;color:#71717a">{escape(message.footer)}</p>'


def _fact(label: str, value: str) -> str:
    name = f'<td style="{_CELL};color:#71717a;white-space:nowrap">{escape(label)}</td>'
    return f'<tr>{name}<td style="{_CELL};word-break:break-word">{escape(value)}</td></tr>'


def _subject(message: Message) -> str:
    """The headline with what it is about. It stays equal over a thread, but for "Resolved"."""
    job = message.alert.job or {}
    about = job.get("name") or message.alert.labels.get("node")
    return _utf8(f"{message.headline} ({about})" if about else message.headline)


def _thread(message: Message) -> str:
    """What a thread is about: the job, else the condition over all its episodes."""
    return f"job:{message.alert.job_id}" if message.alert.job_id else f"condition:{message.alert.fingerprint}"


def _token(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _bare(address: str) -> str:
    """The address itself of `Name <address>`."""
    return address.rpartition("<")[2].rstrip("> ").strip()


def _utf8(text: str) -> str:
    """Replace what no encoding takes, such as half a surrogate pair."""
    return text.encode("utf-8", "replace").decode()
