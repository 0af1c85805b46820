import pytest

from agent.channels.shared.exchange import Request, Response, classify_status, retry_after
from agent.core.ports import SendErrorKind
from agent.core.redact import Redactor

NOW = 1_790_000_000_500  # 2026-09-21T14:13:20.5Z


def judged(status, headers=None, body=b"", redactor=None):
    return classify_status(Response(status, headers or {}, body), NOW, redactor or Redactor())


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success_is_no_error(status):
    assert judged(status) is None


@pytest.mark.parametrize(
    ("kind", "reason", "statuses"),
    [
        (SendErrorKind.MISCONFIGURED, "redirect", (101, 300, 301, 302, 303, 307, 308)),
        (SendErrorKind.MISCONFIGURED, "auth_error", (401, 402, 403, 407)),
        (SendErrorKind.MISCONFIGURED, "gone", (404, 410)),
        (SendErrorKind.REJECTED, "client_error", (400, 405, 406, 409, 413, 415, 422, 418, 451)),
        (SendErrorKind.LIMITED, "rate_limited", (429,)),
        (SendErrorKind.RETRY, "timeout", (408,)),
        (SendErrorKind.RETRY, "client_error", (425,)),
        (SendErrorKind.RETRY, "server_error", (500, 501, 502, 503, 504, 507, 529, 599)),
    ],
)
def test_the_table_of_statuses(kind, reason, statuses):
    for status in statuses:
        error = judged(status)
        assert (error.kind, error.reason, error.status) == (kind, reason, status)
        assert error.retry_after is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0), ("0", 1.0), ("-5", 1.0), ("1.2", 2.0), ("0.05", 1.0), ("86400", 3600.0), ("1e9", 3600.0),
        (" 7 ", 7.0), ("nan", None), ("inf", None), ("soon", None), ("", None),
        ("Mon, 21 Sep 2026 14:14:00 GMT", 40.0),
        ("Monday, 21-Sep-26 14:14:00 GMT", 40.0),
        ("Mon, 21 Sep 2026 14:14:00 -0000", 40.0),
        ("Mon, 21 Sep 2026 16:14:00 +0200", 40.0),
        ("Mon, 21 Sep 2026 14:00:00 GMT", 1.0),
        ("Tue, 22 Sep 2026 14:00:00 GMT", 3600.0),
        ("Mon, 99 Sep 2026 14:00:00 GMT", None),
        ("Mon, 21 Sep 999999 14:00:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_in_both_forms(text, seconds):
    assert retry_after({"retry-after": text}, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "kind", "wait"),
    [
        (429, SendErrorKind.LIMITED, 30.0),
        (503, SendErrorKind.LIMITED, 30.0),
        (502, SendErrorKind.RETRY, 30.0),
        (400, SendErrorKind.REJECTED, None),
        (404, SendErrorKind.MISCONFIGURED, None),
    ],
)
def test_a_named_wait_counts_where_waiting_helps(status, kind, wait):
    error = judged(status, {"retry-after": "30"})
    assert (error.kind, error.retry_after) == (kind, wait)


def test_an_error_quotes_the_answer_cleaned_and_short():
    body = b"bad\x00 \x1b[31mtoken\r\n for correct-horse: " + "é".encode() * 500
    error = judged(400, body=body, redactor=Redactor(["correct-horse"]))
    assert error.detail.startswith("HTTP 400: bad token for ***: é")
    assert error.detail.endswith("… (cut)")
    assert len(error.detail.encode()) <= 512


def test_an_answer_that_is_no_text_is_quoted_all_the_same():
    assert judged(500, body=b"\xff\xfe").detail == "HTTP 500: \ufffd\ufffd"
    assert judged(500).detail == "HTTP 500"


def test_a_preview_masks_the_address_and_the_headers_named():
    request = Request("POST", "https://host.example/secret?sig=secret", {"X-Key": "secret", "A": "b"}, b'{"x": 1}')
    assert request.preview({"x-key"}) == 'POST https://host.example/***\nX-Key: ***\nA: b\n\n{"x": 1}'
    assert "secret" not in repr(request)
