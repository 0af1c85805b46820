"""What holds for every channel. It finds the channels by itself; what it must know of each is in `adapters`."""

import contextlib
import importlib
import pkgutil
import re
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

import agent.channels
from agent.channels.shared.base import CommonConfig
from agent.core import samples
from agent.core.model import TYPES as ALERTS
from agent.core.model import NotificationKind, Status
from agent.core.ports import Probing, SendError, SendErrorKind
from tests.channels.adapters import ADAPTERS
from tests.channels.samples import (
    FAILED,
    FORBIDDEN_CHARACTERS,
    HOSTILE,
    NASTY,
    PASSWORD,
    STRANGER,
    channel,
    digest_message,
    message,
)
from tests.support.clock import START
from tests.support.standin import Answer, Manner, StandIn, bodies, refused_url

ROOT = Path(__file__).parents[2]
MODULES = {module.name for module in pkgutil.iter_modules(agent.channels.__path__) if not module.ispkg}
TYPES = sorted(ADAPTERS)
"""Every channel, one that has two ways twice."""
OVER_HTTP = [name for name in TYPES if ADAPTERS[name].http]
KEY = "0123456789abcdef-ops"

STATUSES = {
    **dict.fromkeys((301, 302, 303, 307, 308, 401, 403, 404, 410), SendErrorKind.MISCONFIGURED),
    **dict.fromkeys((400, 413, 422), SendErrorKind.REJECTED),
    429: SendErrorKind.LIMITED,
    **dict.fromkeys((408, 425, 500, 502, 503, 504), SendErrorKind.RETRY),
}

EXTRAS = {"apprise"}
every_type = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.skipif(not find_spec(name), reason="the extra is not installed"))
        if name in EXTRAS
        else name
        for name in TYPES
    ],
)
every_http_type = pytest.mark.parametrize("name", OVER_HTTP)
every_status = pytest.mark.parametrize("status", STATUSES)


def module_of(name):
    return importlib.import_module(f"agent.channels.{ADAPTERS[name].type}")


def built(name, url="http://127.0.0.1:9", *, written=None, **changes):
    adapter = ADAPTERS[name]
    return channel({**adapter.table(url), **changes}, secrets=(*adapter.secrets, PASSWORD), written=written)


def sent(name, what):
    """Send one message and return the bytes that left."""
    capture = ADAPTERS[name].capture
    if capture is not None:
        return capture(lambda url: built(name, url), what, KEY)
    if not ADAPTERS[name].http:
        written = []
        built(name, written=written).send(what, KEY)
        return "".join(written).encode()
    with ADAPTERS[name].stand_in() as receiver:
        made = built(name, receiver.url)
        if ADAPTERS[name].serve is not None and what.status is Status.RESOLVED:
            made.send(replace(what, kind=NotificationKind.FIRED, status=Status.FIRING), KEY)
        made.send(what, KEY)
        return carried(name, receiver)[-1].body


def carried(name, receiver):
    """The requests that carried a message; those before it looked something up."""
    return [request for request in receiver.wait_for(1) if ADAPTERS[name].carries(request)]


def all_sent(name, messages):
    """Send many and return what left, over one connection where there is one."""
    if not ADAPTERS[name].http or ADAPTERS[name].serve is not None:
        return [sent(name, what) for what in messages]
    with ADAPTERS[name].stand_in() as receiver:
        made = built(name, receiver.url)
        for what in messages:
            made.send(what, KEY)
        return bodies(carried(name, receiver))


def failure(name, *answers, **changes):
    with StandIn(*answers) as receiver, pytest.raises(SendError) as caught:
        built(name, receiver.url, **changes).send(message(), KEY)
    return caught.value


def assert_silent(name, text):
    for secret in ADAPTERS[name].secrets:
        assert secret not in text


def test_every_channel_is_looked_at():
    assert {adapter.type for adapter in ADAPTERS.values()} == MODULES


@every_type
def test_a_channel_is_a_module_with_config_and_channel(name):
    module = module_of(name)
    assert issubclass(module.Config, CommonConfig)
    assert module.Config.model_fields["type"].annotation.__args__ == (ADAPTERS[name].type,)
    assert {"send", "preview", "close"} <= set(dir(module.Channel))
    built(name).close()


@every_http_type
def test_an_accepted_message_gives_a_receipt(name):
    with ADAPTERS[name].stand_in() as receiver:
        receipt = built(name, receiver.url).send(message(), KEY)
        assert len(carried(name, receiver)) == 1
    assert receipt.status == ADAPTERS[name].accepted.status


@every_http_type
@every_status
def test_a_status_becomes_the_right_kind(name, status):
    expected = (ADAPTERS[name].statuses or {}).get(status, STATUSES[status])
    error = failure(name, Answer(status))
    assert (error.kind, error.status) == (expected, status)


@every_http_type
@pytest.mark.parametrize("wait", ["30", "Mon, 21 Sep 2026 14:13:50 GMT"], ids=["seconds", "date"])
def test_a_named_wait_is_honoured(name, wait):
    error = failure(name, Answer(429, {"Retry-After": wait}))
    assert (error.kind, error.retry_after) == (SendErrorKind.LIMITED, 30.0)


@every_http_type
def test_a_refused_connection_is_tried_again(name):
    with pytest.raises(SendError) as caught:
        built(name, refused_url()).send(message(), KEY)
    assert caught.value.kind is SendErrorKind.RETRY


@every_http_type
@pytest.mark.parametrize("manner", [Manner.HANG, Manner.DRIP_HEADERS])
def test_a_server_that_gives_no_answer_stops_at_the_deadline(name, manner):
    start = time.monotonic()
    error = failure(name, Answer(200, {"X": "y" * 500}, manner=manner), timeout=0.3)
    assert error.kind is SendErrorKind.UNCERTAIN
    assert time.monotonic() - start < 2.0


@every_http_type
def test_a_server_that_drips_its_answer_stops_at_the_deadline(name):
    start = time.monotonic()
    error = failure(name, Answer(500, body=b"x", manner=Manner.DRIP_BODY), timeout=0.3)
    assert error.kind is SendErrorKind.RETRY
    assert time.monotonic() - start < 2.0


@every_http_type
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_and_the_message_not_sent_on(name, status):
    with StandIn() as elsewhere:
        error = failure(name, Answer(status, {"Location": f"{elsewhere.url}/steal"}))
        assert elsewhere.received == []
    assert error.kind is SendErrorKind.MISCONFIGURED


@every_type
@pytest.mark.parametrize("plain", [False, True], ids=["full", "plain"])
@pytest.mark.parametrize("kind", [NotificationKind.FIRED, NotificationKind.TEST])
def test_a_hostile_message_keeps_to_the_vendors_limits_and_says_what_was_cut(name, plain, kind):
    body = sent(name, message(HOSTILE, kind, plain=plain, uncertain=True))
    assert ADAPTERS[name].check(body) == []
    text = ADAPTERS[name].text(body)
    assert "(cut)" in text
    assert not set(FORBIDDEN_CHARACTERS) & set(text)
    assert PASSWORD not in text
    assert STRANGER not in text


@every_type
@pytest.mark.parametrize("plain", [False, True], ids=["full", "plain"])
def test_an_ordinary_message_tells_the_story(name, plain):
    body = sent(name, message(plain=plain))
    assert ADAPTERS[name].check(body) == []
    text = ADAPTERS[name].text(body)
    for word in ("Training failed", "bert-large", "4200", "Got <20 GiB> & lost", "job-0123456789ab", "node-1"):
        assert word in text
    assert "(cut)" not in text


def everything(sample):
    """One alert of every type, as it comes and, where it can end, as it ends; with markup and without."""
    for alert_type, traits in ALERTS.items():
        alert = sample(alert_type, "node-1", START)
        ended = replace(alert, status=Status.RESOLVED, ends_at=START + 60_000)
        for shown in (alert, ended) if traits.condition else (alert,):
            kind = NotificationKind.FIRED if shown is alert else NotificationKind.RESOLVED
            for plain in (False, True):
                yield message(shown, kind, plain=plain, now=START + 60_000)


@every_type
@pytest.mark.parametrize("sample", [samples.full, samples.minimal])
def test_every_alert_is_one_that_the_vendor_takes(name, sample):
    told = list(everything(sample))
    for what, body in zip(told, all_sent(name, told), strict=True):
        assert ADAPTERS[name].check(body) == []
        assert what.alert.title in ADAPTERS[name].text(body).replace("\n", " ")


@every_type
def test_a_message_of_nothing_but_a_title_can_be_sent(name):
    bare = replace(FAILED, message="", job=None, job_id=None, evidence=(), advice=None, links=(), labels={})
    body = sent(name, message(bare))
    assert ADAPTERS[name].check(body) == []
    assert "Training failed" in ADAPTERS[name].text(body)


def tells_digests(name):
    """A channel that holds one object for each alert is never given a digest."""
    return not module_of(name).Config.STATEFUL


@every_type
@pytest.mark.parametrize("plain", [False, True], ids=["full", "plain"])
def test_a_digest_lists_what_was_held(name, plain):
    if not tells_digests(name):
        pytest.skip("it is never given one")
    body = sent(name, digest_message(plain=plain))
    assert ADAPTERS[name].check(body) == []
    text = ADAPTERS[name].text(body)
    for word in ("Training failed", "Disk 92 % full: /data", "node-1"):
        assert word in text


@every_type
@pytest.mark.parametrize("plain", [False, True], ids=["full", "plain"])
def test_a_long_and_hostile_digest_keeps_to_the_vendors_limits(name, plain):
    if not tells_digests(name):
        pytest.skip("it is never given one")
    many = [replace(NASTY, id=f"alert-{n}", fingerprint=f"{n:032}", starts_at=START + n) for n in range(30)]
    body = sent(name, digest_message(*many, plain=plain))
    assert ADAPTERS[name].check(body) == []
    text = ADAPTERS[name].text(body)
    assert not set(FORBIDDEN_CHARACTERS) & set(text)
    assert PASSWORD not in text
    assert STRANGER not in text


@every_type
def test_the_same_message_and_key_make_the_same_request(name):
    made = built(name)
    assert made.preview(message(), KEY) == made.preview(message(), KEY)


@every_http_type
def test_the_same_key_twice_is_the_same_id(name):
    """Where the vendor takes an id, a repeat carries the same one; where it does not, the text says it may repeat."""
    module = module_of(name)
    with ADAPTERS[name].stand_in() as receiver:
        made = built(name, receiver.url)
        for uncertain in (False, True):
            made.send(message(uncertain=uncertain and not module.Config.IDEMPOTENT), KEY)
        first, *others = carried(name, receiver)
    if module.Config.IDEMPOTENT and not others:
        return  # the second time the vendor was asked, and knew the first
    (second,) = others
    if module.Config.IDEMPOTENT:
        ids = [(request.headers.get("webhook-id"), request.body) for request in (first, second)]
        assert ids[0] == ids[1]
    else:
        assert b"may repeat" not in first.body
        assert b"may repeat" in second.body


@every_http_type
@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500])
def test_no_secret_is_in_an_error(name, status):
    adapter = ADAPTERS[name]
    echo = f"denied: {' '.join(adapter.secrets)} {PASSWORD}".encode()
    error = failure(name, Answer(status, {"Location": f"https://x.example/{adapter.secrets[0]}"}, echo))
    assert_silent(name, f"{error} {error!r} {error.detail} {error.args}")
    assert PASSWORD not in error.detail
    assert len(error.detail.encode()) <= 512
    assert error.__cause__ is None


@every_http_type
def test_no_secret_is_in_an_error_of_the_network(name):
    for url in (refused_url(), "https://receiver.invalid"):
        with pytest.raises(SendError) as caught:
            built(name, url, timeout=5).send(message(), KEY)
        assert_silent(name, f"{caught.value} {caught.value!r} {caught.value.detail}")


@every_type
def test_no_secret_is_in_settings_or_preview(name):
    module = module_of(name)
    config = module.Config.model_validate(ADAPTERS[name].table("http://127.0.0.1:9"))
    made = built(name)
    preview = made.preview(message(), KEY)
    assert_silent(name, f"{config} {config!r} {config.model_dump()} {config.model_dump_json()} {preview} {made!r}")
    assert "Training failed" in preview


@every_type
def test_a_preview_sends_nothing(name):
    with StandIn() as receiver:
        built(name, receiver.url).preview(message(), KEY)
        assert receiver.received == []


@every_http_type
def test_a_base_url_replaces_the_vendors_host(name):
    with StandIn(ADAPTERS[name].accepted) as receiver, contextlib.suppress(SendError):
        made = built(name, "https://vendor.invalid", base_url=f"{receiver.url}/prefix")
        made.send(message(), KEY)
    assert receiver.received
    assert all(request.path.startswith("/prefix/") for request in receiver.received)


@every_http_type
def test_an_unknown_key_is_refused(name):
    module = module_of(name)
    with pytest.raises(ValueError, match="colour"):
        module.Config.model_validate({**ADAPTERS[name].table("https://x.example"), "colour": "red"})


probing = pytest.mark.parametrize("name", [name for name in OVER_HTTP if ADAPTERS[name].probe])


@probing
def test_a_silent_test_names_who_answered(name):
    with StandIn(ADAPTERS[name].probe) as receiver:
        made = built(name, receiver.url)
        assert isinstance(made, Probing)
        assert_silent(name, made.probe())


@every_http_type
def test_only_a_channel_with_a_silent_test_offers_one(name):
    assert isinstance(built(name), Probing) == (ADAPTERS[name].probe is not None)


@probing
@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 500])
def test_a_silent_test_that_fails_says_why(name, status):
    expected = (ADAPTERS[name].statuses or {}).get(status, STATUSES[status])
    echo = f"denied: {' '.join(ADAPTERS[name].secrets)}".encode()
    with StandIn(Answer(status, body=echo)) as receiver, pytest.raises(SendError) as caught:
        built(name, receiver.url).probe()
    assert (caught.value.kind, caught.value.status) == (expected, status)
    assert_silent(name, f"{caught.value} {caught.value!r}")


@every_type
def test_a_late_message_says_when_it_happened(name):
    text = ADAPTERS[name].text(sent(name, message(now=START + 3_600_000)))
    if not module_of(name).Config.PROGRAM:
        assert "told late" in text
    assert re.search(r"14:13", text)


@every_type
def test_the_channel_has_a_guide(name):
    kind = ADAPTERS[name].type
    assert f'type = "{kind}"' in (ROOT / "docs" / "channels" / f"{kind}.md").read_text()


@every_type
def test_the_example_configuration_names_the_channel(name):
    assert f'type = "{ADAPTERS[name].type}"' in (ROOT / "config.example.toml").read_text()
