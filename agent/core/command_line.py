"""A command line as it may be shown to whoever asked for it (`include_command`): bounded, with secrets masked. Pure."""

import re
from collections.abc import Iterator, Sequence

from agent.core.redact import MASK, Redactor

LIMIT = 500
"""Characters kept."""
_SECRET = re.compile(r"(?i)(?:key|token|secret|passw(?:or)?d|passphrase|credentials?|auth)$")
"""How the names of options end whose values are secrets; `max_tokens` is none."""


def shown(words: Sequence[str], redactor: Redactor) -> str:
    """Join the words, without the values of options that name secrets, and without what looks like one."""
    return redactor.clean(" ".join(_masked(words)))[:LIMIT]


def _masked(words: Sequence[str]) -> Iterator[str]:
    hide = False
    for word in words:
        name, equals, _ = word.partition("=")
        secret = _SECRET.search(name) is not None and (word.startswith("-") or bool(equals))
        yield MASK if hide else f"{name}={MASK}" if secret and equals else word
        hide = secret and not equals
