"""A report in words: its headline, a sentence, some lines for chats, and tables for mails and terminals.

Reads the object that `core.report` builds, also one that an earlier version has stored; what it lacks is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo

from agent.core.clock import SECOND
from agent.core.model import TYPES, AlertType, Json
from agent.core.table import UNKNOWN, Table
from agent.core.text import cut, duration, loss, size, steps

LINE_LIMIT = 120
"""Characters of one line, so that all of them together stay short enough for any channel."""
EMOJI: Mapping[str, str] = {"completed": "✅", "failed": "❌", "cancelled": "🚫", "unknown": "⚠️", "running": "⏳"}


def title(report: Mapping[str, Json], zone: tzinfo) -> str:
    """The headline: which report, of which days."""
    first, last = _local(report["starts_at"], zone), _local(report["ends_at"], zone)
    headline = TYPES[AlertType(report["report"])].headline
    if report["report"] == AlertType.DAILY_SUMMARY:
        return f"{headline} of {first:%A, %Y-%m-%d}"
    return f"{headline}, {first:%Y-%m-%d} to {last:%Y-%m-%d}"


def summary(report: Mapping[str, Json]) -> str:
    """One paragraph that says the most important, and when the report is late."""
    parts = [_jobs_in_words(report["jobs"]), _gpus_in_words(report["gpus"]), _alerts_in_words(report["alerts"])]
    if report["agent"]["watched_from"] >= report["ends_at"]:
        parts.insert(0, "No agent is known to have run in this time.")
    elif report["agent"]["down_seconds"]:
        parts.append(f"No agent ran for {_length(report['agent']['down_seconds'])} of it.")
    if report["late_seconds"]:
        parts.append(f"Made {_length(report['late_seconds'])} late.")
    return " ".join(parts)


def bounds(report: Mapping[str, Json], zone: tzinfo) -> str:
    """The period with its bounds, and how many hours it is long."""
    first, last = _local(report["starts_at"], zone), _local(report["ends_at"], zone)
    return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} ({report['timezone']}, {report['hours']:g} h)"


def lines(report: Mapping[str, Json], zone: tzinfo) -> list[str]:
    """The report for a chat: at most some fifteen lines."""
    return [cut(line, LINE_LIMIT) for line in _lines(report, zone)]


def tables(report: Mapping[str, Json], zone: tzinfo) -> list[Table]:
    """The whole report, section by section; what is empty is left out."""
    found = (
        _jobs_table(report["jobs"]),
        _gpus_table(report["gpus"]),
        _alerts_table(report["alerts"]),
        _firing_table(report["alerts"]["still_firing"], zone),
        _noisy_table(report["alerts"]["noisy"]),
        _memory_table(report["out_of_memory"], zone),
        _disks_table(report["disks"], _not_listed(report, "disks")),
        _channels_table(report["channels"], _not_listed(report, "channels")),
        _why_table("Held back", report["held"], _not_listed(report, "held")),
        _why_table("Not sent", report["left_out"], _not_listed(report, "left_out")),
        _down_table(report["agent"]["down"], zone),
    )
    return [table for table in found if table.rows or table.note]


def _jobs_in_words(jobs: Json) -> str:
    ended = [item for item in jobs["outcomes"] if item["outcome"] != "running"]
    running = sum(item["count"] for item in jobs["outcomes"] if item["outcome"] == "running")
    still = f"; {running} still ran" if running else ""
    if not ended:
        return f"No job ended{still}."
    count = sum(item["count"] for item in ended)
    outcomes = ", ".join(f"{item['count']} {item['outcome']}" for item in ended)
    return f"{_count(count, 'job')} ended: {outcomes}{still}."


def _gpus_in_words(gpus: Json) -> str:
    if gpus is None:
        return "There are no GPU readings."
    used = "" if gpus["used_percent"] is None else f", {gpus['used_percent']:g} % used on average"
    return f"GPUs were held for {gpus['held_hours']:g} of {gpus['seen_hours']:g} GPU hours{used}."


def _alerts_in_words(alerts: Json) -> str:
    if not alerts["total"]:
        return "No alerts."
    return f"{_count(alerts['total'], 'alert')}, {alerts['critical']} critical."


def _lines(report: Mapping[str, Json], zone: tzinfo) -> Iterator[str]:
    for job in [item for item in report["jobs"]["listed"] if item["outcome"] == "failed"][:3]:
        why = f": {job['reason']}" if job["reason"] else ""
        yield f"{EMOJI['failed']} {job['name']}{why} after {_length(job['duration_seconds'])}"
    gpus = report["gpus"]
    if gpus is not None and gpus["idle_percent"] is not None:
        energy = "" if gpus["energy_kwh"] is None else f", {gpus['energy_kwh']:g} kWh"
        yield f"🎛️ held GPUs were idle for {gpus['idle_percent']:g} % of the time{energy}"
    for item in report["alerts"]["still_firing"][:2]:
        yield f"🔥 still firing since {_minute(item['starts_at'], zone)}: {item['title']}"
    for item in report["out_of_memory"]["listed"][:2]:
        yield f"💥 {_local(item['at'], zone):%H:%M} {item['job'] or 'out of memory'}: {item['cause']}"
    for item in report["alerts"]["noisy"][:2]:
        yield f"🔔 {item['count']} times: {item['title']}"
    for disk in [item for item in report["disks"] if item["full_in_seconds"] is not None][:2]:
        yield f"💾 {disk['mountpoint']}: {disk['used_percent']:g} % used, full in {_length(disk['full_in_seconds'])}"
    for channel in [item for item in report["channels"] if item["dead"] or item["waiting"]][:2]:
        yield f"📡 {channel['channel']}: {channel['dead']} given up, {channel['waiting']} waiting"
    for item in report["left_out"][:2]:
        yield f"🔕 {item['count']} not sent to {item['channel']}: {item['explanation']}"


def _jobs_table(jobs: Json) -> Table:
    rows = tuple(
        (
            f"{EMOJI.get(item['outcome'], '')} {item['outcome']}",
            item["name"],
            item["reason"] or "",
            _length(item["duration_seconds"]),
            UNKNOWN if item["loss"] is None else loss(item["loss"]),
            UNKNOWN if item["step"] is None else steps(item["step"], item["total_steps"]),
            _number(item["gpu_hours"]),
        )
        for item in jobs["listed"]
    )
    totals = ", ".join(f"{i['count']} {i['outcome']} ({_length(i['seconds'])})" for i in jobs["outcomes"])
    more = f"; {jobs['more']} more are not listed" if jobs["more"] else ""
    headers = ("Outcome", "Job", "Reason", "Duration", "Final loss", "Steps", "GPU hours")
    return Table("Jobs", headers, rows, f"{totals or 'No job ran'}{more}.")


def _gpus_table(gpus: Json) -> Table:
    headers = ("GPU", "Hours held", "of", "Used", "Idle while held", "Energy", "Memory peak")
    if gpus is None:
        return Table("GPUs", headers, (), "No GPU readings.")
    each = gpus["each"]
    named = [(_gpu(item), item) for item in each] + ([("all", gpus)] if len(each) > 1 else [])
    rows = tuple(
        (
            name,
            f"{item['held_hours']:g}",
            f"{item['seen_hours']:g}",
            _number(item["used_percent"], " %"),
            _number(item["idle_percent"], " %"),
            _number(item["energy_kwh"], " kWh"),
            UNKNOWN if item["memory_peak_bytes"] is None else size(item["memory_peak_bytes"]),
        )
        for name, item in named
    )
    return Table("GPUs", headers, rows, f"{gpus['more']} more are not listed." if gpus["more"] else "")


def _gpu(item: Json) -> str:
    """Its number and name, or the beginning of its UUID where no job has told them."""
    if item["index"] is None:
        return f"{item['uuid'][:12]}…"
    return f"GPU {item['index']}" + (f" ({item['name']})" if item["name"] else "")


def _alerts_table(alerts: Json) -> Table:
    rows = tuple(
        (item["type"], str(item["count"]), str(item["critical"]), str(item["firing"])) for item in alerts["by_type"]
    )
    return Table("Alerts that began", ("Type", "Alerts", "Critical", "Still firing"), rows, "" if rows else "None.")


def _firing_table(firing: Sequence[Json], zone: tzinfo) -> Table:
    rows = tuple((item["title"], item["severity"], _minute(item["starts_at"], zone)) for item in firing)
    return Table("Still firing", ("Alert", "Severity", "Since"), rows)


def _noisy_table(noisy: Sequence[Json]) -> Table:
    rows = tuple((item["title"], str(item["count"]), item["alert_id"]) for item in noisy)
    return Table("What was noisy", ("Alert", "Times", "The latest"), rows)


def _memory_table(memory: Json, zone: tzinfo) -> Table:
    rows = tuple(
        (_minute(item["at"], zone), item["job"] or UNKNOWN, item["cause"], item["advice"] or "")
        for item in memory["listed"]
    )
    more = memory["total"] - len(rows)
    note = f"{more} more are not listed." if more > 0 else ""
    return Table("Out of memory", ("When", "Job", "Cause", "Advice"), rows, note)


def _disks_table(disks: Sequence[Json], note: str) -> Table:
    rows = tuple(
        (
            item["mountpoint"],
            f"{item['used_percent']:g} %",
            f"{item['change_percent']:+g} points",
            size(item["free_bytes"]),
            UNKNOWN if item["full_in_seconds"] is None else _length(item["full_in_seconds"]),
        )
        for item in disks
    )
    return Table("Disks", ("Mount", "Used", "Change", "Free", "Full in"), rows, note)


def _channels_table(channels: Sequence[Json], note: str) -> Table:
    counted = ("delivered", "repeated", "digested", "waiting", "dead")
    rows = tuple((f"{i['channel']} ({i['type']})", *(str(i[key]) for key in counted)) for i in channels)
    headers = ("Channel", "Delivered", "After repeats", "In a digest", "Waiting", "Given up")
    return Table("Delivery", headers, rows, note)


def _why_table(name: str, found: Sequence[Json], note: str) -> Table:
    rows = tuple((item["channel"], str(item["count"]), item["explanation"]) for item in found)
    return Table(name, ("Channel", "How many", "Because"), rows, note)


def _not_listed(report: Mapping[str, Json], section: str) -> str:
    """How much of a section is left out; reports of earlier versions do not say."""
    count = report.get("more", {}).get(section, 0)
    return f"{count} more are not listed." if count else ""


def _down_table(down: Sequence[Json], zone: tzinfo) -> Table:
    rows = tuple((_minute(item["from"], zone), _minute(item["until"], zone)) for item in down)
    return Table("When no agent ran", ("From", "Until"), rows)


def _minute(moment: str, zone: tzinfo) -> str:
    return f"{_local(moment, zone):%Y-%m-%d %H:%M}"


def _local(moment: str, zone: tzinfo) -> datetime:
    return datetime.fromisoformat(moment).astimezone(zone)


def _length(seconds: float) -> str:
    return duration(seconds * SECOND)


def _number(value: float | None, unit: str = "") -> str:
    return UNKNOWN if value is None else f"{value:g}{unit}"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
