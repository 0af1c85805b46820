"""Values that need more than a type: addresses to listen on, and time zones."""

import zoneinfo
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.config import listen, zones


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback", "url"),
    [
        ("127.0.0.1:19400", "127.0.0.1", 19400, True, "http://127.0.0.1:19400"),
        ("localhost:1", "localhost", 1, True, "http://localhost:1"),
        ("[::1]:80", "::1", 80, True, "http://[::1]:80"),
        ("0.0.0.0:19400", "0.0.0.0", 19400, False, "http://127.0.0.1:19400"),
        ("[::]:19400", "::", 19400, False, "http://[::1]:19400"),
        ("gpu-01.example.com:9", "gpu-01.example.com", 9, False, "http://gpu-01.example.com:9"),
    ],
)
def test_addresses(text, host, port, loopback, url):
    address = listen.parse(text)
    assert (address.host, address.port, address.loopback, address.url) == (host, port, loopback, url)


def test_a_unix_socket_is_as_private_as_loopback():
    address = listen.parse("unix:/run/gpuwarden.sock")
    assert (address.path, address.loopback) == (Path("/run/gpuwarden.sock"), True)


@pytest.mark.parametrize(
    "text", ["", ":1", "host", "host:", "host:x", "host:70000", "host:-1", "::1:80", "[::1]", "unix:here", "host:1²"]
)
def test_what_is_no_address(text):
    with pytest.raises(ValueError, match='expected "HOST:PORT"'):
        listen.parse(text)


def test_a_zone_follows_daylight_saving():
    berlin = zones.resolve("Europe/Berlin", {})
    winter, summer = (datetime(2026, month, 1, tzinfo=berlin).utcoffset() for month in (1, 7))
    assert (winter, summer) == (timedelta(hours=1), timedelta(hours=2))


@pytest.mark.parametrize(("given", "key"), [("Asia/Tokyo", "Asia/Tokyo"), (":Europe/Paris", "Europe/Paris")])
def test_the_local_zone_by_variable(given, key):
    assert str(zones.resolve("local", {"TZ": given})) == key


def test_the_local_zone_by_the_nodes_own_file(tmp_path):
    database = Path(zoneinfo.TZPATH[0]) if zoneinfo.TZPATH else tmp_path
    local = tmp_path / "localtime"
    if (database / "Europe" / "Berlin").exists():
        local.symlink_to(database / "Europe" / "Berlin")
        assert str(zones.resolve("local", {}, local)) == "Europe/Berlin"
    else:
        assert zones.resolve("local", {}, local) is UTC


@pytest.mark.parametrize("content", [None, b"not a zone"])
def test_a_node_without_a_usable_zone_is_in_utc(tmp_path, content):
    local = tmp_path / "localtime"
    if content:
        local.write_bytes(content)
    assert zones.resolve("local", {}, local) is UTC


def test_a_variable_that_names_no_zone_means_utc():
    assert zones.resolve("local", {"TZ": "CET-1CEST,M3.5.0,M10.5.0"}) is UTC


def test_without_a_zone_database_the_remedy_is_told(monkeypatch):
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    with pytest.raises(ValueError, match='install the package "tzdata"'):
        zones.zone("Mars/Olympus")
