import asyncio

import httpx
import pytest
from starlette.datastructures import Headers

from agent.config.listen import Address
from agent.web.access import Access
from agent.web.app import build
from tests.web.test_routes import error_of

OPEN = Access.to(Address("0.0.0.0", 19_400), ["Node7.example.com."])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:19400", "localhost", "LOCALHOST:1", "localhost.", "[::1]:19400", "10.1.2.3", "[fd00::7]",
        "node7.example.com:19400", "NODE7.example.com.",
    ],
)  # fmt: skip
def test_addresses_loopback_names_and_allowed_names_are_ours(host):
    assert OPEN.names_us(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "node7.example.com.evil.example",
        "", "[", "1",
    ],
)  # fmt: skip
def test_any_other_name_is_not(host):
    assert not OPEN.names_us(host)


def test_the_listen_address_may_be_a_name():
    assert Access.to(Address("node7", 19_400)).names_us("node7:19400")


@pytest.mark.parametrize(
    ("client", "headers", "here"),
    [
        ("127.0.0.1", {}, True),
        ("127.8.8.8", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        ("10.0.0.1", {}, False),
        ("::ffff:10.0.0.1", {}, False),
        (None, {}, False),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, False),
    ],
)
def test_only_a_direct_loopback_client_is_on_this_node(client, headers, here):
    assert OPEN.from_here(client, Headers(headers)) is here


def test_a_request_for_another_host_is_refused_everywhere(client):
    for path in ("/metrics", "/api/status", "/nothing"):
        assert error_of(client.get(path, headers={"Host": "evil.example"})) == (400, "bad_host", "Host")


def test_a_proxied_request_reaches_metrics_but_not_the_api(client):
    proxied = {"X-Forwarded-For": "10.0.0.1"}
    assert client.get("/metrics", headers=proxied).status_code == 200
    response = client.get("/api/status", headers=proxied)
    assert error_of(response) == (401, "unauthorized", None)
    assert response.headers["www-authenticate"] == "Bearer"


def test_paths_of_the_api_are_not_told_to_strangers(client):
    assert client.get("/api/nothing", headers={"Forwarded": "for=10.0.0.1"}).status_code == 401


def test_a_wrong_token_is_refused_even_from_here(client):
    response = client.get("/api/status", headers={"Authorization": "Bearer guess"})
    assert error_of(response) == (401, "bad_token", None)


def test_a_stranger_is_told_by_address(view):
    app = build(view, OPEN)

    async def ask(client_host):
        transport = httpx.ASGITransport(app, client=(client_host, 5_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://10.0.0.5") as client:
            return (await client.get("/healthz")).status_code, (await client.get("/api/status")).status_code

    assert asyncio.run(ask("10.0.0.1")) == (200, 401)
    assert asyncio.run(ask("127.0.0.1")) == (200, 200)


def test_a_unix_socket_is_on_this_node_whatever_host_it_names(serve, tmp_path):
    client = serve(Address(path=tmp_path / "agent.sock"))
    assert client.get("/api/status", headers={"Host": "anything.example"}).status_code == 200
