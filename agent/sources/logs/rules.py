"""What is looked for in logs: signatures with the engine that finds their candidates, and progress patterns."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import tzinfo

from agent.core import progress, signatures
from agent.core.patterns import Pattern
from agent.core.signatures import Signature
from agent.sources.logs.engine import Engine, build
from agent.sources.logs.hints import Hints


@dataclass(frozen=True, slots=True)
class Rules:
    """Shared by all logs; built once, used by one thread."""

    signatures: tuple[Signature, ...]
    engine: Engine
    progress: Hints
    max_line: int
    zone: tzinfo | None = None
    """In which to read times without an offset; None for the system's."""

    @property
    def unscanned(self) -> dict[str, str]:
        """Signatures that are tried only on lines that others point to, with the reason."""
        return {self.signatures[number].id: reason for number, reason in self.engine.unscanned.items()}

    @property
    def exceptions(self) -> tuple[Signature, ...]:
        """The signatures that may say what a traceback's last line means."""
        return tuple(signature for signature in self.signatures if not signature.alone)


def rules(
    own: Iterable[Signature] = (), own_progress: Iterable[Pattern] = (), *, max_line: int = 8_192,
    zone: tzinfo | None = None, engine: Engine | None = None,
) -> Rules:
    """Put the user's rules before those that come with the agent, and compile them.

    `engine` is given in tests only; it must have been built from the same signatures' patterns.
    """
    known, builtin = signatures.with_own(own), progress.builtin()
    return Rules(
        signatures=known,
        engine=engine if engine is not None else build(tuple(signature.pattern for signature in known)),
        progress=Hints(replace(builtin, patterns=(*own_progress, *builtin.patterns))),
        max_line=max_line,
        zone=zone,
    )
