"""An alert made fit for eyes outside: cleaned of secrets and controls, with every text and list bounded."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from agent.core.facts import Event, Fact, HandedIn, KernelSeen, LogFinding, ProcessStarted
from agent.core.model import TYPES, Alert, Json, Link
from agent.core.redact import Redactor, cut_home
from agent.core.text import cut, strip_controls

TITLE_LIMIT = 200
BODY_LIMIT = 2_000
VALUE_LIMIT = 500
"""Characters of one fact, label, evidence line or piece of advice."""
MOST_VALUES = 32
"""Labels or fields shown at most."""
READ_LIMIT, READ_LINES = 16_384, 200
"""Characters of one text, and lines of evidence, that are looked at: cleaning takes time, and far less is shown."""
MOST_LINKS = 5
LINK_LIMIT = 2_000

Clean = Callable[[str], str]


def event_without_secrets(event: Event, clean: Clean) -> Event:
    """Take secrets out of what a log, the kernel, a command or a person said, before it is stored.

    Paths stay as they are, since they lead to something.
    """
    cleaned = _cleaned_fact(event.fact, clean)
    return event if cleaned is event.fact else replace(event, fact=cleaned)


def _cleaned_fact(fact: Fact, clean: Clean) -> Fact:
    if isinstance(fact, LogFinding):
        context = tuple(clean(line) for line in fact.context)
        return replace(fact, text=clean(fact.text), context=context, facts=_clean_json(fact.facts, clean))
    if isinstance(fact, HandedIn):
        title, message = fact.title and clean(fact.title), fact.message and clean(fact.message)
        labels, fields, job = (_clean_json(found, clean) for found in (fact.labels, fact.fields, fact.job))
        return replace(fact, title=title, message=message, labels=labels, fields=fields, job=job)
    if isinstance(fact, KernelSeen):
        return replace(fact, text=clean(fact.text), facts=_clean_json(fact.facts, clean))
    if isinstance(fact, ProcessStarted):
        return replace(fact, name=clean(fact.name), command=clean(fact.command))
    return fact


def without_secrets(alert: Alert, clean: Clean) -> Alert:
    """Take secrets out of an alert's texts, before it is stored; the rest of `presentable` depends on who looks.

    Links stay as they are: they are the user's own.
    """
    return replace(
        alert,
        title=clean(alert.title),
        message=clean(alert.message),
        labels={key: clean(value) for key, value in alert.labels.items()},
        fields={key: clean(value) for key, value in alert.fields.items()},
        evidence=tuple(clean(line) for line in alert.evidence),
        advice=alert.advice and clean(alert.advice),
        job=_clean_json(alert.job, clean),
        gpu=_clean_json(alert.gpu, clean),
        disk=_clean_json(alert.disk, clean),
    )


def presentable(alert: Alert, redactor: Redactor, *, include_paths: bool = False) -> Alert:
    """Clean every text of an alert for eyes outside: no secret, no control character, no endless value.

    Home folders are cut to `~` unless `include_paths`; labels keep them, since they identify.
    """

    def label(text: str) -> str:
        return cut(redactor.clean(strip_controls(text[:READ_LIMIT])), VALUE_LIMIT)

    def clean(text: str) -> str:
        text = redactor.clean(strip_controls(text))
        return text if include_paths else cut_home(text)

    def value(text: str) -> str:
        return cut(clean(text[:READ_LIMIT]), VALUE_LIMIT)

    web = (link for link in alert.links if _is_web(link.url))
    evidence = clean("\n".join(line[:READ_LIMIT] for line in alert.evidence[-READ_LINES:]))
    return replace(
        alert,
        title=cut(" ".join(clean(alert.title[:READ_LIMIT]).split()), TITLE_LIMIT) or TYPES[alert.type].headline,
        message=cut(clean(alert.message[:READ_LIMIT]).strip(), BODY_LIMIT),
        labels=_cleaned(alert.labels, label),
        fields=_cleaned(alert.fields, value),
        job=_clean_json(alert.job, value, MOST_VALUES),
        gpu=_clean_json(alert.gpu, value, MOST_VALUES),
        disk=_clean_json(alert.disk, label, MOST_VALUES),
        report=_clean_json(alert.report, value, MOST_VALUES),
        evidence=tuple(cut(line, VALUE_LIMIT) for line in evidence.split("\n")) if evidence else (),
        advice=value(alert.advice) if alert.advice else None,
        links=tuple(Link(_name(value(link.text), link.url), link.url) for link in web)[:MOST_LINKS],
    )


def _cleaned(found: Mapping[str, str], clean: Clean) -> dict[str, str]:
    return {clean(str(key)): clean(str(value)) for key, value in list(found.items())[:MOST_VALUES]}


def _clean_json(value: Json, clean: Clean, most: int | None = None) -> Json:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): _clean_json(item, clean, most) for key, item in list(value.items())[:most]}
    if isinstance(value, (list, tuple)):
        return [_clean_json(item, clean, most) for item in value[:most]]
    return value


def _name(text: str, url: str) -> str:
    """One line to name a link by; its address where there is none."""
    return " ".join(text.split()) or url


def _is_web(url: str) -> bool:
    plain = url == strip_controls(url) and not any(character.isspace() for character in url)
    return plain and url.startswith(("https://", "http://")) and len(url) <= LINK_LIMIT
