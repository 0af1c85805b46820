"""The text form of `status`: one short table for each section that has something to say."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo

import click

from agent.cli import show
from agent.core import text
from agent.core.clock import SECOND
from agent.core.model import Json
from agent.core.reasons import words


def display(found: Json, zone: tzinfo, *, why: bool = False) -> None:
    """Print what `status --json` holds. A stored status, without a running agent, has fewer sections.

    `why`: also why each program was or was not taken for a job, and which of its logs are read.
    """
    if found["running"]:
        up = text.duration(found["uptime_seconds"] * SECOND)
        click.echo(f"gpuwarden {found['version']} on {found['node']}, up {up}")
        if found["store"]["trouble"]:
            show.lines([f"the store refuses: {found['store']['trouble']}"])
    else:
        click.echo(f"stored on {found['node']}; what follows may be old")
    _section("Jobs", ("NAME", "STATE", "STEPS", "LOSS", "PROGRESS", "ID"), map(_job, found["jobs"]), "none running")
    _section("Alerts", ("BEGAN", "SEVERITY", "TITLE", "ID"), (_alert(item, zone) for item in found["alerts"]), "none")
    _section("Channels", ("NAME", "TYPE", "WAITING", "DEAD", "STATE"), (_channel(c, zone) for c in found["channels"]))
    _section("GPUs", GPU_HEADERS, map(gpu, found.get("gpus", ())))
    if found.get("driver") is not None and found["driver"]["state"] != "running":
        show.lines(["", driver(found["driver"])])
    _section("Disks", ("USED", "INODES", "FREE", "MOUNT"), map(_disk, found.get("disks", ())))
    sources = sorted(found.get("sources", ()), key=lambda item: str(item["name"]))
    _section("Sources", ("NAME", "STATE"), map(_source, sources))
    _section("Silences", ("UNTIL", "WHAT", "AUTHOR", "ID"), (_silence(item, zone) for item in found["silences"]))
    logs = found.get("logs")
    if logs:
        click.echo(f"\nLogs: {logs['followed']} followed, {text.size(logs['unread_bytes'])} not yet read")
        show.lines(_unreadable(item) for item in logs["unreadable"])
    programs = found.get("processes", ())
    if why:
        click.echo("\nPrograms" if programs else "\nPrograms: none that look like training")
    shown = programs if why else [item for item in programs if item["job"]]
    show.lines(line for item in shown for line in _program(item, why=why))


GPU_HEADERS = ("GPU", "BUSY", "MEMORY", "TEMP", "POWER", "STATE", "NAME")


def gpu(found: Json) -> tuple[str, ...]:
    """One GPU as a row beneath `GPU_HEADERS`."""
    used, total = found["memory_used_bytes"], found["memory_total_bytes"]
    trouble = [found["state"], *(f"slowed by {name}" for name in found["slowed_by"])]
    trouble += [f"asks to {found['recovery_action']}"] if found["recovery_action"] else []
    return (
        str(found["index"]),
        _with_unit(found["utilization_percent"], "%"),
        show.NOTHING if used is None or total is None else f"{text.size(used)} of {text.size(total)}",
        _with_unit(found["temperature_celsius"], "°C"),
        _with_unit(found["power_watts"], "W"),
        ", ".join(trouble[1:] if trouble[0] == "ok" and len(trouble) > 1 else trouble),
        found["name"],
    )


def driver(found: Json) -> str:
    """The driver in one line."""
    version = f" {found['version']}" if found["version"] else ""
    counted = f", counts {found['counted']} GPUs" if found["counted"] is not None else ""
    return f"GPU driver{version}: {found['state']}{counted}" + (f" ({found['detail']})" if found["detail"] else "")


def _with_unit(value: float | None, unit: str) -> str:
    return show.NOTHING if value is None else f"{value:.0f} {unit}"


def _section(title: str, headers: Sequence[str], rows: Iterable[Sequence[str]], empty: str | None = None) -> None:
    rows = list(rows)
    if rows:
        click.echo(f"\n{title}")
        show.table(headers, rows)
    elif empty is not None:
        click.echo(f"\n{title}: {empty}")


def _job(job: Json) -> tuple[str, ...]:
    steps = show.NOTHING if job["step"] is None else text.steps(job["step"], job["total_steps"])
    loss = show.NOTHING if job["loss"] is None else text.loss(job["loss"])
    return job["name"], job["state"], steps, loss, show.age(job["progress_age_seconds"]), job["id"]


def _alert(alert: Json, zone: tzinfo) -> tuple[str, ...]:
    return show.local(alert["starts_at"], zone), alert["severity"], alert["title"], alert["id"]


def _channel(channel: Json, zone: tzinfo) -> tuple[str, ...]:
    waiting = channel["queued"] + channel["sending"] + channel["deferred"]
    return channel["name"], show.known(channel["type"]), str(waiting), str(channel["dead"]), _standing(channel, zone)


def _standing(channel: Json, zone: tzinfo) -> str:
    """Say how a channel fares: `up`, or `paused until …: why`."""
    until = f" until {show.local(channel['paused_until'], zone)}" if channel["paused_until"] else ""
    why = channel["detail"] or (words(channel["reason"]) if channel["reason"] else None)
    night = f"; quiet until {show.local(channel['quiet_until'], zone)}" if channel["quiet_until"] else ""
    held = ", ".join(f"{count} held: {words(reason)}" for reason, count in channel["held"].items())
    troubled = channel["state"] in {"paused", "failing"}
    trouble = f": {why}" if why and troubled else ""
    return f"{channel['state']}{until}{trouble}{night}" + (f"; {held}" if held else "")


def _disk(disk: Json) -> tuple[str, ...]:
    inodes = disk["inodes_used_percent"]
    shown = show.NOTHING if inodes is None else f"{inodes:.0f} %"
    mount = f"{disk['mountpoint']} (read-only)" if disk["readonly"] else disk["mountpoint"]
    return f"{disk['used_percent']:.0f} %", shown, text.size(disk["free_bytes"]), mount


def _source(source: Json) -> tuple[str, ...]:
    return source["name"], f"{source['state']}: {source['detail']}" if source["detail"] else source["state"]


def _unreadable(log: Json) -> str:
    remedy = f": {log['remedy']}" if log["remedy"] else ""
    return f"  cannot read {log['path']} ({log['reason']}){remedy}"


def _program(program: Json, *, why: bool) -> Iterator[str]:
    """Why a program is a job or none, and how its logs are; without `why` only what a job writes to no file."""
    if why:
        verdict = "a job" if program["job"] else "no job"
        yield f"  {program['name']} (pid {program['pid']}) is {verdict}: {program['because']}"
    for log in program["logs"]:
        if log["path"] is None:
            yield f"{'    ' if why else '  '}not read: {log['what']} {log['reason']}"
        elif why:
            state = log["reason"] or ("is read" if log["read"] else "is about to be read")
            yield f"    {log['path']}, {log['what']}: {state}"


def _silence(silence: Json, zone: tzinfo) -> tuple[str, ...]:
    return show.local(silence["ends_at"], zone), show.covered(silence), silence["author"], silence["id"]
