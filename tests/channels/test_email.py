"""Mail through real servers on loopback: what arrives, and what every refusal means."""

import re
import socket
import threading
from dataclasses import replace

import pytest
from pydantic import ValidationError

from agent.channels.shared.http import Client, HttpSettings
from agent.core import samples
from agent.core.model import AlertType, NotificationKind, Severity
from agent.core.ports import SendError, SendErrorKind
from agent.core.redact import Secret
from agent.runtime.clock import SystemClock
from tests.channels.samples import FAILED, HOSTILE, RESOLVED, channel, message
from tests.support.smtp import CERTIFICATE, PASSWORD, USER, MailServer

ADDRESSES = {"type": "email", "from": "GPU alerts <gpu@example.com>", "to": ["a@example.com", "Bö B <b@example.com>"]}
LOGIN = {"username": USER, "password": PASSWORD}


def made(server, *, http=None, **table):
    host = "localhost" if table.get("security") in ("starttls", "tls") else "127.0.0.1"
    settings = {"host": host, "port": server.port, "security": "none", **ADDRESSES, **table}
    trusting = Client(HttpSettings(ca_file=CERTIFICATE), SystemClock())
    return channel(settings, http=http or trusting, secrets=(PASSWORD,))


def delivered(what=None, key="0123-ops", **table):
    with MailServer() as server:
        made(server, **table).send(what or message(), key)
        (found,) = server.mails
    return found


def failure(server, **table):
    with server, pytest.raises(SendError) as caught:
        made(server, **table).send(message(), "key")
    return caught.value


def part(mail, kind):
    return mail.get_body((kind,)).get_content()


def test_a_mail_has_the_headers_that_mail_should_have():
    sender, recipients, mail = delivered()

    assert (sender, recipients) == ("gpu@example.com", ("a@example.com", "b@example.com"))
    assert mail["Subject"] == "❌ Training failed (bert-large)"
    assert mail["From"] == "GPU alerts <gpu@example.com>"
    assert mail["To"] == "a@example.com, Bö B <b@example.com>"
    assert mail["Date"] == "Mon, 21 Sep 2026 14:13:21 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Importance"] == "high"
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.com>", mail["Message-ID"])
    assert [item.get_content_type() for item in mail.iter_parts()] == ["text/plain", "text/html"]


def test_the_text_part():
    assert part(delivered()[2], "plain").replace("\r\n", "\n") == (
        "❌ Training failed\n\n"
        "bert-large ran out of GPU memory at step 4200 of 5000.\n\n"
        "Model: bert-large\nDuration: 2h 05m\nFinal loss: 0.0213\nSteps: 4200/5000\nNode: node-1\nGPUs: 0, 1\n"
        "Error: torch.OutOfMemoryError: CUDA out of memory.\n\n"
        "  Traceback (most recent call last):\n"
        "  torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost\n\n"
        "Advice: Lower the batch size.\n\n"
        "Run page: https://runs.example/1?a=1&b=2\n\n"
        "-- \njob-0123456789ab · node-1\n"
    )


def test_the_html_part_escapes_everything_and_needs_nothing_from_outside():
    page = part(delivered()[2], "html")

    assert "Got &lt;20 GiB&gt; &amp; lost" in page
    assert '<a href="https://runs.example/1?a=1&amp;b=2">Run page</a>' in page
    assert "border-left:4px solid #e01e5a" in page
    assert not re.search(r"<img|<link|<script|url\(|@import", page)


def test_a_report_is_whole_as_tables_in_both_parts():
    about = samples.full(AlertType.DAILY_SUMMARY, "node-1", FAILED.starts_at)
    about = replace(about, report={**about.report, "disks": [{**about.report["disks"][0], "mountpoint": "/<b>"}]})
    _, _, mail = delivered(message(about, kind=NotificationKind.REPORT))
    text, html = part(mail, "plain").replace("\r\n", "\n"), part(mail, "html")
    assert "\nJobs\n  Outcome      Job             Reason " in text
    assert re.findall(r"<h2 [^>]*>([^<]*)</h2>", html) == re.findall(r"\n\n([A-Z][A-Za-z ]+)\n  ", text)
    assert 'align="right"' in html
    assert "/&lt;b&gt;" in html
    assert not re.search(r"<(img|script|style|link)|https?:", html)
    for line in about.evidence:
        assert line not in text


def test_the_mails_of_a_job_are_one_thread_and_a_repeat_is_the_same_mail():
    first, again, other = (delivered(key=key)[2] for key in ("a", "a", "b"))

    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert first["References"] == other["References"] == first["In-Reply-To"]
    assert delivered(message(replace(FAILED, job_id="job-2")))[2]["References"] != first["References"]


def test_the_end_of_a_condition_answers_its_beginning():
    beginning = message(replace(RESOLVED, status="firing", ends_at=None))
    fired, resolved = delivered(beginning)[2], delivered(message(RESOLVED, NotificationKind.RESOLVED))[2]

    assert fired["References"] == resolved["References"]
    assert resolved["Importance"] is None
    assert "#2eb67d" in part(resolved, "html")


def test_hostile_text_forges_no_header_and_breaks_no_line():
    with MailServer() as server:
        made(server).send(message(replace(HOSTILE, title="x\r\nBcc: all@example.com\r\n\r\nhello")), "key")
        ((_, recipients, mail),), (raw,) = server.mails, server.bytes

    assert mail["Bcc"] is None
    assert len(recipients) == 2
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.isascii()
    assert "<script>" not in part(mail, "html")


def test_the_plain_fallback_is_text_alone():
    assert delivered(message(plain=True))[2].get_content_type() == "text/plain"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_protected_server_is_verified_and_logged_in_to(security):
    with MailServer(tls=security, login=True) as server:
        made(server, security=security, **LOGIN).send(message(), "key")
        assert len(server.mails) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_of_an_unknown_authority_is_refused(security):
    stranger = Client(HttpSettings(), SystemClock())
    error = failure(MailServer(tls=security), security=security, http=stranger)

    assert (error.kind, error.reason) == (SendErrorKind.MISCONFIGURED, "tls")


def test_starttls_is_never_given_up():
    error = failure(MailServer(), security="starttls")

    assert (error.kind, error.reason) == (SendErrorKind.MISCONFIGURED, "auth_error")


def test_a_wrong_password_is_the_users_to_mend_and_is_not_shown():
    wrong = {"username": USER, "password": "wr0ng-" + PASSWORD}
    error = failure(MailServer(tls="starttls", login=True), security="starttls", **wrong)

    assert (error.kind, error.reason) == (SendErrorKind.MISCONFIGURED, "auth_error")
    assert PASSWORD not in str(error)


@pytest.mark.parametrize(
    ("answers", "kind", "wait"),
    [
        ({"DATA": "451 4.7.1 greylisted"}, SendErrorKind.RETRY, 60),
        ({"DATA": "552 5.3.4 too big"}, SendErrorKind.REJECTED, None),
        ({"DATA": "554 5.6.0 no"}, SendErrorKind.REJECTED, None),
        ({"MAIL": "450 4.2.0 later"}, SendErrorKind.RETRY, 60),
        ({"MAIL": "550 5.7.1 relaying denied"}, SendErrorKind.MISCONFIGURED, None),
        ({"a@example.com": "550 unknown", "b@example.com": "553 unknown"}, SendErrorKind.MISCONFIGURED, None),
        ({"a@example.com": "550 unknown", "b@example.com": "451 later"}, SendErrorKind.RETRY, 60),
    ],
)
def test_answers_mean_what_they_say(answers, kind, wait):
    error = failure(MailServer(answers=answers))

    assert (error.kind, error.retry_after) == (kind, wait)
    assert str(error).startswith("SMTP ")


def test_one_bad_recipient_keeps_nobody_else_from_theirs():
    with MailServer(answers={"a@example.com": "550 unknown"}) as server:
        made(server).send(message(), "key")
        ((_, recipients, _),) = server.mails

    assert recipients == ("b@example.com",)


def test_a_mail_that_was_sent_and_never_answered_is_uncertain():
    error = failure(MailServer(silent=True), timeout=0.5)

    assert error.kind is SendErrorKind.UNCERTAIN


def test_a_server_that_drips_stops_at_the_deadline():
    listener = socket.create_server(("127.0.0.1", 0))
    ending = threading.Event()

    def drip():
        connection, _ = listener.accept()
        with connection:
            while not ending.wait(0.05):
                try:
                    connection.send(b"2")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(SendError) as caught:
            made(type("Drip", (), {"port": listener.getsockname()[1]}), timeout=0.5).send(message(), "key")
    finally:
        ending.set()
        thread.join()
        listener.close()
    assert caught.value.kind is SendErrorKind.RETRY


def test_a_refused_connection_is_tried_again():
    with pytest.raises(SendError) as caught:
        made(type("Nobody", (), {"port": 9})).send(message(), "key")
    assert caught.value.kind is SendErrorKind.RETRY


def test_a_proxy_is_used_for_others_but_not_for_this_machine():
    proxied = Client(HttpSettings(proxy=Secret("http://127.0.0.1:9")), SystemClock())
    with MailServer() as server:
        made(server, http=proxied).send(message(), "key")
        assert len(server.mails) == 1
    with pytest.raises(SendError) as caught:
        channel({**ADDRESSES, "host": "mail.invalid"}, http=proxied).send(message(), "key")
    assert caught.value.kind is SendErrorKind.RETRY


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"host": "mail.example.com", "security": "none"}, "expected starttls or tls"),
        ({"username": "me"}, "expected both or neither"),
        ({"to": []}, "at least 1 item"),
        ({"to": ["nobody"]}, "expected an address"),
        ({"from": "a@b@c"}, "expected an address"),
        ({"from": "x\r\nBcc: y@example.com"}, "expected an address"),
        ({"host": "mail example"}, "match pattern"),
        ({"port": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(table, words):
    with pytest.raises(ValidationError, match=words):
        channel({"host": "127.0.0.1", **ADDRESSES, **table})


def test_information_is_of_ordinary_importance():
    assert delivered(message(replace(FAILED, severity=Severity.INFO)))[2]["Importance"] is None


def test_the_preview_shows_the_mail_and_no_password():
    shown = channel({"host": "mail.example.com", **ADDRESSES, **LOGIN}).preview(message(), "key")

    assert shown.startswith("SMTP mail.example.com:587 (starttls)\nFrom: GPU alerts <gpu@example.com>")
    assert "Advice: Lower the batch size." in shown
    assert PASSWORD not in shown
