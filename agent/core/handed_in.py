"""Alerts that a person or a program handed in by `emit` or the API."""

from dataclasses import replace

from agent.core.episodes import end
from agent.core.facts import Event, HandedIn
from agent.core.model import TYPES, Alert, Status
from agent.core.policy.identity import alert_id, fingerprint


def alert_of(event: Event, fact: HandedIn, node: str, current: Alert | None) -> Alert | None:
    """Make, update or end the alert that the fact tells of. `current` is the firing alert of its fingerprint.

    A condition's identity is its type, job and labels. A one-shot event without a job is an alert of its own each
    time it is handed in, since nothing says that two of them are the same.
    """
    if fact.status is Status.RESOLVED:
        return end(current, event.at) if current is not None else None
    if current is not None:
        return replace(
            current, severity=fact.severity, title=fact.title or current.title, message=fact.message or current.message
        )
    mark = identity(event, fact, node)
    job = dict(fact.job) if fact.job is not None else None
    return Alert(
        id=alert_id(event.at, mark, event.id),
        type=fact.type,
        fingerprint=mark,
        status=fact.status,
        severity=fact.severity,
        title=fact.title or TYPES[fact.type].headline,
        message=fact.message or "",
        starts_at=event.at,
        labels={"node": node, **fact.labels},
        fields=fact.fields,
        job=job,
        job_id=str(job["id"]) if job and job.get("id") else None,
    )


def identity(event: Event, fact: HandedIn, node: str) -> str:
    """The fingerprint of what was handed in."""
    job_id = str((fact.job or {}).get("id") or "")
    parts = {"node_id": node, "job_id": job_id, **{f"label:{key}": value for key, value in fact.labels.items()}}
    if not TYPES[fact.type].condition:
        attempt = str((fact.job or {}).get("attempt") or 1)
        parts |= {"run_attempt": attempt} if job_id else {"event": event.id}
    return fingerprint(fact.type, parts)
