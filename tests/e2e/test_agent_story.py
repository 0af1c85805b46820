"""The main job, whole: a real script writes a real log and runs out of memory; the alert arrives and is explained."""

import base64
import json
import os
import subprocess

import psutil
import pytest
from standardwebhooks import Webhook

from tests.e2e.conftest import TRAIN
from tests.support.agent import COMMAND, until

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
CHANNELS = """
[channels.hook]
type = "webhook"
url = "{hook}"
secret = "{secret}"
alerts = ["job_started", "job_completed", "job_failed", "gpu_oom", "job_cancelled"]
[channels.team]
type = "slack"
url = "{slack}"
"""


def channels(hook, slack):
    return CHANNELS.format(hook=hook.url, slack=slack.webhook, secret=SECRET)


def bodies(hook, alert_type):
    return [body for item in hook.received for body in [json.loads(item.body)] if body["type"] == alert_type]


@pytest.fixture
def agent(agents, hook, slack):
    return agents(channels(hook, slack)).start()


def train(agent, *options, log=None):
    given = ["--log", log] if log else []
    return agent.run("exec", "--name", "llama", *given, "--", *TRAIN, *options, check=False)


def test_a_run_under_exec_that_runs_out_of_gpu_memory(agent, hook, slack):
    log = agent.folder / "run.log"
    done = train(agent, "--steps", "200", "--at", "120:oom", log=log)
    assert done.returncode == 1
    assert "CUDA out of memory" in done.stdout + done.stderr
    (failed,) = until(lambda: bodies(hook, "job_failed"), "the failure at the webhook")
    until(lambda: slack.received, "the failure at Slack")
    check_failure(failed, verified=True, exit_code=1)
    check_signatures(hook)
    assert len(bodies(hook, "job_started")) == 1
    assert bodies(hook, "gpu_oom") == []
    assert [json.loads(item.body)["text"] for item in slack.received] == [failed_text(slack)]
    check_books(agent, failed)


def check_failure(failed, *, verified, exit_code):
    data, job = failed["data"], failed["data"]["job"]
    assert (data["status"], data["severity"], data["node"]) == ("event", "critical", "node-1")
    assert (job["state"], job["reason"], job["verified"], job["exit_code"]) == (
        "failed",
        "gpu_oom",
        verified,
        exit_code,
    )
    assert (job["step"], job["total_steps"], job["loss"]) == (120, 200, pytest.approx(1.8))
    assert job["duration_seconds"] > 0.5
    assert job["error"].startswith("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 896.00 MiB.")
    assert any("Tried to allocate 896.00 MiB" in line for line in data["evidence"])
    assert data["advice"]


def check_signatures(hook):
    for item in hook.received:
        Webhook(SECRET).verify(item.body, {key: value for key, value in item.headers.items() if "webhook" in key})


def failed_text(slack):
    text = json.loads(slack.received[-1].body)["text"]
    assert "Training failed" in text
    return text


def check_books(agent, failed):
    """What the history, `explain` and the metrics say of it."""
    history = {item["type"]: item for item in agent.history()}
    cause, end = history["gpu_oom"], history["job_failed"]
    assert end["id"] == failed["data"]["id"]
    assert {row["channel"]: row["state"] for row in end["deliveries"]} == {"hook": "delivered", "team": "delivered"}
    assert {row["state"] for row in cause["deliveries"]} == {"superseded"}
    story = agent.run("explain", end["id"]).stdout
    assert "hook" in story and "team" in story and "delivered" in story
    told = agent.run("explain", cause["id"]).stdout
    assert end["id"][:8] in told
    series = 'gpuwarden_alert_events_total{alert_type="job_failed",event="event",severity="critical"}'
    assert agent.metric(series) == 1
    assert agent.metric('gpuwarden_notifications_total{channel="team",integration="slack"}') == 1
    assert agent.metric('gpuwarden_queue_length{channel="hook",state="queued"}') == 0


def test_a_run_that_only_its_log_tells_of(agents, hook, slack):
    config = channels(hook, slack)
    agent = agents(config)
    agent.write(f'{config}\n[sources.logs]\npaths = ["{agent.folder}/logs/*.log"]\n')
    (agent.folder / "logs").mkdir()
    agent.start()
    log = agent.folder / "logs" / "found.log"
    subprocess.run([*TRAIN, "--steps", "200", "--at", "120:oom", "--pace", "0.01", "--log", log], check=False)
    series = "gpuwarden_training_job_step"
    until(lambda: any(line.startswith(series) for line in agent.get("/metrics").text.splitlines()), "progress")
    (failed,) = until(lambda: bodies(hook, "job_failed"), "the failure at the webhook", patience=90)
    check_failure(failed, verified=False, exit_code=None)
    assert len(bodies(hook, "job_started")) == 1
    until(lambda: slack.received, "the failure at Slack")


def test_a_run_that_ends_well(agent, hook):
    assert train(agent, "--steps", "50", log=agent.folder / "run.log").returncode == 0
    (done,) = until(lambda: bodies(hook, "job_completed"), "the completion")
    job = done["data"]["job"]
    assert (job["state"], job["exit_code"], job["step"], job["verified"]) == ("completed", 0, 50, True)


def test_a_run_that_survives_its_error(agent, hook):
    train(agent, "--steps", "100", "--at", "40:survive", log=agent.folder / "run.log")
    (done,) = until(lambda: bodies(hook, "job_completed"), "the completion")
    assert done["data"]["job"]["state"] == "completed"
    assert bodies(hook, "gpu_oom") == bodies(hook, "job_failed") == []


def test_a_run_without_a_log_is_known_by_its_end(agent, hook):
    assert train(agent, "--at", "10:exit:3").returncode == 3
    (failed,) = until(lambda: bodies(hook, "job_failed"), "the failure")
    job = failed["data"]["job"]
    assert (job["reason"], job["exit_code"], job["step"]) == ("exit", 3, None)


def test_a_killed_wrapper_leaves_the_end_to_be_seen(agent, hook):
    log = agent.folder / "run.log"
    environ = agent.environ | {"GPUWARDEN_CONFIG": str(agent.config)}
    wrapper = subprocess.Popen(
        [*COMMAND, "exec", "--log", str(log), "--", *TRAIN, "--steps", "5000", "--pace", "0.01"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ,
    )  # fmt: skip
    until(lambda: bodies(hook, "job_started"), "the start")
    (training,) = [
        item for item in psutil.Process(wrapper.pid).children(recursive=True) if item.cmdline()[1:2] == [TRAIN[1]]
    ]
    wrapper.kill()
    wrapper.wait()
    seen = until(lambda: step_shown(agent), "a step")
    until(lambda: step_shown(agent) > seen, "training that goes on without its wrapper")
    training.kill()
    (failed,) = until(lambda: bodies(hook, "job_failed"), "the failure")
    job = failed["data"]["job"]
    assert job["state"] == "failed"
    assert (job["signal"], job["exit_code"]) in (("SIGKILL", 137), (None, None))


def step_shown(agent):
    found = [
        line for line in agent.get("/metrics").text.splitlines() if line.startswith("gpuwarden_training_job_step{")
    ]
    return float(found[0].rpartition(" ")[2]) if found else 0


def test_lines_written_while_the_agent_was_down_are_found(agents, hook, slack):
    config = channels(hook, slack)
    agent = agents(config)
    folder = agent.folder / "logs"
    folder.mkdir()
    agent.write(f'{config}\n[sources.logs]\npaths = ["{folder}/*.log"]\n')
    agent.start()
    log = folder / "run.log"
    subprocess.run([*TRAIN, "--steps", "20", "--pace", "0", "--log", log], check=True)
    until(lambda: bodies(hook, "job_started"), "the start")
    agent.kill()
    with log.open("a") as file:
        file.write("2026-11-20 01:02:03,456 - trainer - ERROR - step failed\nTraceback (most recent call last):\n")
        file.write('  File "train.py", line 3, in step\n    out = model(x)\n')
        file.write("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n")
    agent.start()
    found = until(lambda: bodies(hook, "job_failed"), "the failure", patience=100)
    assert found[-1]["data"]["starts_at"].startswith("2026-11-20")


def test_a_run_that_appends_to_the_log_of_a_failed_one_is_judged_by_its_own_words(agent, hook):
    log = agent.folder / "run.log"
    train(agent, "--steps", "50", "--at", "20:oom", log=log)
    until(lambda: bodies(hook, "job_failed"), "the failure of the first run")
    agent.stop()
    for path in agent.state.glob("gpuwarden.db*"):
        path.unlink()  # an agent that has never seen the log
    agent.start()
    train(agent, "--steps", "50", log=log)
    (done,) = until(lambda: bodies(hook, "job_completed"), "the completion of the second")
    assert done["data"]["job"]["verified"]
    assert len(bodies(hook, "job_failed")) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="another PID namespace needs root")
def test_a_run_in_another_pid_namespace_is_judged_by_its_wrappers_word(agent, hook):
    log = agent.folder / "run.log"
    inside = ["unshare", "--pid", "--fork", "--mount-proc", *COMMAND, "exec", "--log", str(log), "--", *TRAIN]
    environ = agent.environ | {"GPUWARDEN_CONFIG": str(agent.config)}
    subprocess.run([*inside, "--steps", "200", "--pace", "0.02"], env=environ, check=True, capture_output=True)
    (done,) = until(lambda: bodies(hook, "job_completed"), "the completion")
    assert (done["data"]["job"]["exit_code"], done["data"]["job"]["step"]) == (0, 200)
    assert bodies(hook, "job_failed") == []
