import pytest

from agent.channels.shared.urls import check_base, check_proxy, check_url, forbidden, is_loopback, masked, rebase


@pytest.mark.parametrize(
    "url",
    [
        "https://receiver.example/hook?x=1", "https://receiver.example:8443", "http://127.0.0.1:8000/x",
        "http://localhost/x", "http://[::1]:8000/", "http://web.localhost/", "https://10.0.0.7/internal",
    ],
)  # fmt: skip
def test_a_good_address_is_taken_as_it_is(url):
    assert check_url(url) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://receiver.example/s3cret", "allow_insecure"),
        ("http://10.0.0.7/s3cret", "allow_insecure"),
        ("ftp://receiver.example/s3cret", "no https or http URL"),
        ("receiver.example/s3cret", "no https or http URL"),
        ("https:///s3cret", "no https or http URL"),
        ("https://host:port/s3cret", "host or port"),
        ("https://[::1/s3cret", "host or port"),
        ("https://" + "h" * 70 + ".example/s3cret", "host or port"),
        ("https://receiver.example/s3cret\n", "spaces, controls"),
        ("https://receiver.example/s3cret x", "spaces, controls"),
        ("https://receivér.example/s3cret", "letters beyond ASCII"),
        ("https://user:s3cret@receiver.example/", "user name or password"),
        ("https://169.254.169.254/s3cret", "link-local"),
        ("https://[fe80::1]/s3cret", "link-local"),
        ("", "no https or http URL"),
    ],
)
def test_a_bad_address_is_refused_without_showing_it(url, why):
    with pytest.raises(ValueError, match="expected") as caught:
        check_url(url)
    assert why in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_plain_http_can_be_allowed_but_not_to_metadata():
    assert check_url("http://receiver.example/", allow_insecure=True)
    with pytest.raises(ValueError, match="link-local"):
        check_url("http://169.254.169.254/", allow_insecure=True)


def test_a_base_has_no_query_and_loses_its_last_slash():
    assert check_base("https://proxy.example/slack/") == "https://proxy.example/slack"
    with pytest.raises(ValueError, match="query"):
        check_base("https://proxy.example/?x=1")


def test_a_proxy_is_plain_http():
    assert check_proxy("http://user:pw@proxy.example:3128")
    with pytest.raises(ValueError, match="http://host:port") as caught:
        check_proxy("https://user:s3cret@proxy.example")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "base", "result"),
    [
        ("https://hooks.slack.com/services/T/B/x", None, "https://hooks.slack.com/services/T/B/x"),
        ("https://hooks.slack.com/services/T/B/x", "http://127.0.0.1:9/p/", "http://127.0.0.1:9/p/services/T/B/x"),
        ("https://host:443/a%2Fb?sp=%2Fx&sig=a%3D", "https://proxy", "https://proxy/a%2Fb?sp=%2Fx&sig=a%3D"),
    ],
)
def test_a_base_replaces_scheme_and_host_alone(url, base, result):
    assert rebase(url, base) == result


def test_only_scheme_and_host_are_shown():
    assert masked("https://user:pw@host.example:8443/secret?sig=secret#secret") == "https://host.example:8443/***"


@pytest.mark.parametrize("host", ["169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254",
                                  "::ffff:169.254.169.254"])  # fmt: skip
def test_metadata_addresses_are_forbidden(host):
    assert forbidden(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "127.0.0.1", "fd00::1", "receiver.example", "", "169.253.0.1"])
def test_other_hosts_are_not(host):
    assert not forbidden(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("a.localhost", True),
     ("localhost.example", False), ("10.0.0.1", False), ("", False)],
)  # fmt: skip
def test_loopback_is_known_by_name(host, expected):
    assert is_loopback(host) is expected
