import socket
import threading
import time

import pytest

from agent.channels.shared.exchange import Request
from agent.channels.shared.http import BODY_LIMIT, Client, HttpSettings
from agent.core.ports import SendError, SendErrorKind
from agent.core.redact import Secret
from agent.runtime.clock import SystemClock
from tests.support.standin import CERTIFICATE, Answer, Manner, StandIn, refused_url

PATH = "/secret-path?sig=secret-query"


DIRECT = HttpSettings()


def post(url, *, timeout=5.0, content=b"{}", settings=DIRECT, headers=(), client=None):
    request = Request("POST", url, dict(headers), content)
    return (client or Client(settings, SystemClock())).request(request, timeout)


def failure(url, **options):
    with pytest.raises(SendError) as caught:
        post(url, **options)
    error = caught.value
    assert "secret" not in f"{error} {error.detail} {error!r}"
    assert len(error.detail.encode()) <= 512
    return error


def test_sends_what_it_is_given_to_the_byte():
    with StandIn(Answer(202, {"X-Request-Id": "7"}, b"thanks")) as receiver:
        path = "/a%2Fb/%C3%A9?x=%2F&y=a+b&sig=%3D"
        response = post(receiver.url + path, content=b'{"a": 1}', headers={"X-Own": "1"},
                        settings=HttpSettings(user_agent="gpuwarden/1.2"))  # fmt: skip
        (seen,) = receiver.wait_for(1)
    assert (response.status, response.headers["x-request-id"], response.text) == (202, "7", "thanks")
    assert response.whole
    assert (seen.method, seen.path, seen.body) == ("POST", path, b'{"a": 1}')
    assert seen.headers["x-own"] == "1"
    assert seen.headers["user-agent"] == "gpuwarden/1.2"
    assert seen.headers["content-length"] == "8"
    assert "transfer-encoding" not in seen.headers


def test_a_second_message_soon_after_uses_the_same_connection():
    with StandIn() as receiver:
        client = Client(HttpSettings(), SystemClock())
        for _ in range(2):
            post(receiver.url, client=client)
        assert [seen.connection for seen in receiver.wait_for(2)] == [1, 1]


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again():
    with StandIn() as receiver:
        client = Client(HttpSettings(), SystemClock())
        post(receiver.url, client=client)
        receiver.drop()
        post(receiver.url, client=client)
        assert [seen.connection for seen in receiver.wait_for(2)] == [1, 2]


def test_one_hanging_receiver_does_not_hold_up_another():
    with StandIn(Answer(manner=Manner.HANG)) as slow, StandIn() as quick:
        client = Client(HttpSettings(), SystemClock())
        waiting = threading.Thread(target=failure, args=(slow.url,), kwargs={"client": client, "timeout": 1.0})
        waiting.start()
        slow.wait_for(1)
        start = time.monotonic()
        for _ in range(20):
            post(quick.url, client=client)
        assert time.monotonic() - start < 1.0
        assert waiting.is_alive()
        waiting.join()


def test_a_redirect_is_an_answer_and_not_followed():
    with StandIn() as other, StandIn(Answer(302, {"Location": other.url})) as receiver:
        assert post(receiver.url, headers={"Authorization": "Bearer x"}).status == 302
        assert other.received == []


def test_the_environments_proxy_is_ignored(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", refused_url())
    monkeypatch.setenv("ALL_PROXY", refused_url())
    with StandIn() as receiver:
        assert post(receiver.url).status == 200


@pytest.mark.parametrize("manner", [Manner.HANG, Manner.DRIP_HEADERS])
def test_a_server_that_does_not_answer_in_time_is_uncertain(manner):
    with StandIn(Answer(200, {"X": "y" * 500}, manner=manner)) as receiver:
        start = time.monotonic()
        error = failure(receiver.url + PATH, timeout=0.3)
        assert time.monotonic() - start < 1.5
    assert (error.kind, error.reason) == (SendErrorKind.UNCERTAIN, "timeout")


def test_a_dripping_body_stops_at_the_deadline_and_its_status_counts():
    with StandIn(Answer(200, body=b"o", manner=Manner.DRIP_BODY)) as receiver:
        start = time.monotonic()
        response = post(receiver.url, timeout=0.3)
        assert time.monotonic() - start < 1.5
    assert (response.status, response.whole, response.body[:1]) == (200, False, b"o")


def test_an_endless_body_is_read_up_to_a_limit():
    with StandIn(Answer(200, body=b"x" * (BODY_LIMIT + 200_000))) as receiver:
        response = post(receiver.url)
    assert (len(response.body), response.whole) == (BODY_LIMIT, False)


@pytest.mark.parametrize("manner", [Manner.RESET, Manner.CLOSE])
def test_a_connection_lost_after_the_message_was_written_is_uncertain(manner):
    with StandIn(Answer(manner=manner)) as receiver:
        assert failure(receiver.url + PATH).kind is SendErrorKind.UNCERTAIN


def test_an_answer_that_is_no_http_is_uncertain():
    with StandIn(Answer(body=b"SSH-2.0-OpenSSH_9\r\n\r\n", manner=Manner.RAW)) as receiver:
        assert failure(receiver.url + PATH).kind is SendErrorKind.UNCERTAIN


def test_a_connection_lost_while_the_message_is_written_is_tried_again():
    with StandIn(Answer(manner=Manner.RESET_UNREAD)) as receiver:
        error = failure(receiver.url + PATH, content=b"x" * 40_000_000)
    assert (error.kind, error.reason) == (SendErrorKind.RETRY, "network")


def test_a_refused_connection_is_tried_again():
    error = failure(refused_url() + PATH)
    assert (error.kind, error.reason) == (SendErrorKind.RETRY, "network")
    assert "refused" in error.detail


def test_a_name_that_does_not_resolve_is_tried_again(monkeypatch):
    def no_such_name(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    error = failure("https://receiver.invalid" + PATH)
    assert (error.kind, error.reason) == (SendErrorKind.RETRY, "network")
    assert error.detail == "receiver.invalid: Name or service not known"


def test_the_second_address_of_a_host_is_tried(monkeypatch):
    with StandIn() as receiver:
        hosts = ("127.0.0.2", "127.0.0.1")
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, receiver.port)) for host in hosts]
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *a, **k: found if host == "two.localhost" else real(host, *a, **k)
        )
        assert post(f"http://two.localhost:{receiver.port}/").status == 200


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "2852039166", "0xA9FEA9FE"]
)
def test_metadata_addresses_are_never_called(host):
    error = failure(f"http://{host}/latest/meta-data")
    assert error.kind is SendErrorKind.MISCONFIGURED
    assert "link-local" in error.detail


def test_a_name_that_leads_to_a_metadata_address_is_not_called(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 80)) for host in ("127.0.0.1", "169.254.169.254")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert failure("http://innocent.example" + PATH).kind is SendErrorKind.MISCONFIGURED


def test_a_certificate_that_nobody_trusts_is_a_fault_of_the_settings():
    with StandIn(tls=True) as receiver:
        error = failure(receiver.url + PATH)
        assert receiver.received == []
    assert (error.kind, error.reason) == (SendErrorKind.MISCONFIGURED, "tls")
    for cause in ("self-signed", "clock", "intercepts", "ca_file"):
        assert cause in error.detail


def test_a_certificate_in_ca_file_is_trusted_for_its_own_name_only():
    settings = HttpSettings(ca_file=CERTIFICATE)
    with StandIn(tls=True) as receiver:
        assert post(receiver.url, settings=settings).status == 200
        error = failure(f"https://127.0.0.1:{receiver.port}{PATH}", settings=settings)
    assert error.reason == "tls"
    assert "127.0.0.1" in error.detail


def test_ssl_cert_file_is_honoured(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with StandIn(tls=True) as receiver:
        assert post(receiver.url).status == 200


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    error = failure("https://receiver.invalid" + PATH, settings=HttpSettings(ca_file=path))
    assert (error.kind, error.reason) == (SendErrorKind.MISCONFIGURED, "tls")
    assert "ca_file" in error.detail


def test_a_tls_server_that_hangs_in_the_handshake_is_tried_again():
    with StandIn(Answer(manner=Manner.HANG)) as receiver:
        error = failure(receiver.url.replace("http:", "https:") + PATH, timeout=0.3)
    assert error.kind is SendErrorKind.RETRY


def test_a_server_that_speaks_no_tls_is_a_fault_of_the_settings():
    with StandIn(Answer(body=b"HTTP/1.1 400 Bad Request\r\n\r\n", manner=Manner.GREET)) as receiver:
        error = failure(receiver.url.replace("http:", "https:") + PATH)
    assert (error.kind, error.reason) == (SendErrorKind.MISCONFIGURED, "tls")


class TestThroughAProxy:
    def settings(self, proxy):
        return HttpSettings(proxy=Secret(proxy.url.replace("://", "://user:secret-pw@")))

    def test_plain_requests_name_the_whole_address(self):
        with StandIn() as proxy:
            assert post("http://receiver.invalid/hook?x=1", settings=self.settings(proxy)).status == 200
            (seen,) = proxy.wait_for(1)
        assert seen.path == "http://receiver.invalid/hook?x=1"
        assert seen.headers["proxy-authorization"] == "Basic dXNlcjpzZWNyZXQtcHc="

    def test_this_machine_is_reached_directly(self):
        with StandIn() as proxy, StandIn() as receiver:
            post(receiver.url, settings=self.settings(proxy))
            assert proxy.received == []

    @pytest.mark.parametrize(
        ("status", "kind"),
        [(407, SendErrorKind.MISCONFIGURED), (403, SendErrorKind.MISCONFIGURED), (502, SendErrorKind.RETRY)],
    )
    def test_a_refused_tunnel_is_told_as_the_proxys(self, status, kind):
        with StandIn(Answer(status)) as proxy:
            error = failure("https://receiver.invalid" + PATH, settings=self.settings(proxy))
            (seen,) = proxy.wait_for(1)
        assert (error.kind, error.status) == (kind, status)
        assert "proxy" in error.detail
        assert (seen.method, seen.path) == ("CONNECT", "receiver.invalid:443")

    def test_a_tunnel_lost_before_the_message_is_tried_again(self):
        with StandIn(Answer(200, {"Connection": "close"})) as proxy:
            error = failure("https://receiver.invalid" + PATH, settings=self.settings(proxy))
        assert error.kind is SendErrorKind.RETRY

    def test_metadata_addresses_stay_forbidden(self):
        with StandIn() as proxy:
            assert failure("http://169.254.169.254/", settings=self.settings(proxy)).kind is SendErrorKind.MISCONFIGURED
            assert proxy.received == []
