"""The days for which an alerting agent exists: a full disk, a receiver that drips, a hung one, a changed credential."""

import contextlib
import json
import os
import socket
import sqlite3
import subprocess

import pytest

from tests.support.agent import until
from tests.support.standin import Answer, Manner

HOOK = """
[channels.hook]
type = "webhook"
url = "{url}"
timeout = "2s"
"""
TWO = (
    HOOK
    + """
[channels.bad]
type = "webhook"
url = "{bad}"
timeout = "1s"
"""
)


def told(receiver):
    return [json.loads(item.body) for item in list(receiver.received)]


def titles(receiver, alert_type):
    return [body["data"]["title"] for body in told(receiver) if body["type"] == alert_type]


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of a few MiB; the function it gives fills it to the last byte."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", place]).returncode:
        pytest.skip("mounting a tmpfs needs root")
    filler = place / "filler"

    def fill():
        with filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                while True:
                    try:
                        if file.write(b"x" * size) < size:
                            break
                    except OSError:
                        break

    yield place, fill, filler
    subprocess.run(["umount", "-l", place], check=True)


def test_a_state_directory_on_a_full_disk(agents, hook, small_disk):
    place, fill, filler = small_disk
    agent = agents(HOOK.format(url=hook.url))
    agent.state = place / "state"
    agent.write(HOOK.format(url=hook.url))
    agent.start()
    fill()
    assert agent.run("emit", "job_failed", "--title", "first", check=False).returncode in (0, 1)
    until(lambda: titles(hook, "agent_degraded"), "the alert about the state disk")
    (degraded,) = [body for body in told(hook) if body["type"] == "agent_degraded"]
    assert (degraded["data"]["severity"], degraded["data"]["status"]) == ("critical", "firing")
    fill()
    filler.unlink()
    until(lambda: agent.run("emit", "job_failed", "--title", "after", check=False).returncode == 0, "room to hand in")
    until(lambda: "after" in titles(hook, "job_failed"), "the alert after space came back")
    until((agent.state / "reserve").exists, "the reserve", 60)
    until(lambda: "resolved" in [body["data"]["status"] for body in told(hook)], "the end of the alert", 60)
    stored = {item["type"]: item for item in agent.history()}
    assert stored["agent_degraded"]["status"] == "resolved"
    assert {row["state"] for item in stored.values() for row in item["deliveries"]} == {"delivered"}
    ids = [item.headers["webhook-id"] for item in hook.received]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("manner", [Manner.HANG, Manner.DRIP_HEADERS])
def test_a_receiver_that_never_finishes_delays_nobody_else(agents, hook, slack, manner):
    slack.answer_with(Answer(200, manner=manner))
    agent = agents(TWO.format(url=hook.url, bad=slack.url)).start()
    for number in range(5):
        agent.run("emit", "job_failed", "--job", f"j{number}", "--title", str(number))
    until(lambda: len(titles(hook, "job_failed")) == 5, "five alerts at the good receiver", 10)
    quickly = agent.metric('gpuwarden_notification_delay_seconds_bucket{channel="hook",le="1.0"}')
    assert quickly == agent.metric('gpuwarden_notification_delay_seconds_count{channel="hook"}') >= 5
    until(lambda: titles(hook, "channel_failing"), "word of the bad receiver", 90)
    (trouble,) = [body for body in told(hook) if body["type"] == "channel_failing"]
    assert trouble["data"]["labels"]["channel"] == "bad"
    assert agent.stop() == 0


def test_a_renewed_credential_is_used_without_loss(agents, hook):
    secret = agents("").folder / "url"
    secret.write_text(f"{hook.url}/old")
    secret.chmod(0o600)
    hook.answer_with(Answer(401), Answer(200))
    agent = agents(f'[channels.hook]\ntype = "webhook"\nurl = {{ file = "{secret}" }}\n').start()
    agent.run("emit", "job_failed", "--job", "j")
    hook.wait_for(1)
    until(lambda: agent.metric('gpuwarden_channel_up{channel="hook"}') == 0, "the suspension")
    secret.write_text(f"{hook.url}/new")
    first, second = hook.wait_for(2)
    assert (first.path, second.path) == ("/old", "/new")
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    until(lambda: agent.metric('gpuwarden_channel_up{channel="hook"}') == 1, "the channel to be up")


def test_a_reload_that_fails_keeps_what_was_and_says_so(agents, hook):
    agent = agents(HOOK.format(url=hook.url)).start()
    agent.run("emit", "gpu_error", "--label", "gpu=3")
    hook.wait_for(1)
    agent.write(HOOK.format(url=hook.url) + "\n[alerts.job_failed]\ncooldwn = 3\n")
    agent.process.send_signal(1)
    until(lambda: agent.metric("gpuwarden_config_last_reload_successful") == 0, "the failed reload")
    assert "cooldwn" in agent.log.read_text()
    agent.run("emit", "job_failed", "--job", "j")
    hook.wait_for(2)
    agent.write(HOOK.format(url=f"{hook.url}/moved"))
    agent.process.send_signal(1)
    until(lambda: agent.metric("gpuwarden_config_last_reload_successful") == 1, "the good reload")
    agent.run("emit", "job_failed", "--job", "k")
    assert [item.path for item in hook.wait_for(3)] == ["/", "/", "/moved"]


def test_the_service_manager_is_told(agents, hook, tmp_path):
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(20)
        agent = agents(HOOK.format(url=hook.url), NOTIFY_SOCKET=str(address), WATCHDOG_USEC="400000")
        agent.start()
        said = [manager.recv(4096).decode() for _ in range(6)]
        assert said[0] == "READY=1"
        assert said.count("WATCHDOG=1") >= 2
        assert any(text.startswith("STATUS=") for text in said)
        assert agent.stop() == 0
        manager.setblocking(False)
        rest = []
        while True:
            try:
                rest.append(manager.recv(4096).decode())
            except BlockingIOError:
                break
        assert "STOPPING=1" in rest


def test_what_is_being_sent_at_the_end_is_finished_and_the_rest_kept(agents, hook):
    agent = agents(HOOK.format(url=hook.url))
    hook.answer_with(Answer(200, manner=Manner.HANG))
    agent.start()
    for number in range(5):
        agent.run("emit", "job_failed", "--job", f"j{number}")
    hook.wait_for(1)
    assert agent.stop() == 0
    hook.answer_with(Answer(200))
    hook.drop()
    agent.start()
    until(lambda: len({body["data"]["job"]["id"] for body in told(hook)}) == 5, "all five")
    until(lambda: agent.metric('gpuwarden_queue_length{channel="hook",state="queued"}') == 0, "an empty queue", 60)
    assert {row["state"] for item in agent.history("--type", "job_failed") for row in item["deliveries"]} == {
        "delivered"
    }


def test_a_damaged_database_is_set_aside_and_told_of(agents, hook):
    agent = agents(HOOK.format(url=hook.url)).start()
    agent.kill()
    database = agent.state / "gpuwarden.db"
    database.write_bytes(b"SQLite format 3\0" + b"\xff" * (database.stat().st_size - 16))
    agent.start()
    until(lambda: titles(hook, "agent_degraded"), "word of the damage")
    assert titles(hook, "agent_degraded") == ["The agent's database was damaged"]
    assert list(agent.state.glob("gpuwarden.db.damaged-*"))
    agent.run("emit", "job_failed", "--job", "j")
    until(lambda: titles(hook, "job_failed"), "that work goes on")


def test_an_alert_larger_than_a_row_is_cut_told_and_ended(agents, hook):
    agent = agents(HOOK.format(url=hook.url)).start()
    names = {f"label_{number}": "ж" * 480 for number in range(28)}
    body = {"kind": "HandedIn", "type": "gpu_error", "labels": names, "fields": names, "message": "ш" * 3_900}
    hand_in(agent, {**body, "status": "firing"}, 1)
    until(lambda: "gpu_error" in [item["type"] for item in told(hook)], "the alert")
    hand_in(agent, {**body, "status": "resolved"}, 2)
    until(lambda: [item["data"]["status"] for item in told(hook)] == ["firing", "resolved"], "its end")

    shown = told(hook)[0]["data"]
    assert shown["message"].endswith("… (cut)")
    assert shown["labels"].keys() == names.keys() | {"node"}
    assert all(value.endswith("… (cut)") for name, value in shown["labels"].items() if name != "node")
    assert agent.stop() == 0
    with contextlib.closing(sqlite3.connect(agent.state / "gpuwarden.db")) as database:
        kept = [row for (row,) in database.execute("SELECT body FROM alert UNION ALL SELECT snapshot FROM delivery")]
    assert all(60 * 1024 < len(row) <= 64 * 1024 for row in kept)
    assert {json.loads(row)["fields"]["Cut short"].partition(":")[0] for row in kept} == {"fields, message, labels"}


def hand_in(agent, body, number):
    """Put a file into the spool in UTF-8, of which the store makes up to three times as many bytes."""
    name = agent.state / "spool" / f".new-{number}"
    name.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
    name.rename(agent.state / "spool" / f"{number:020d}-1-1.json")
