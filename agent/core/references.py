"""What a provider called earlier things: it comes back with receipts, and goes out with later messages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class References:
    """What a provider called earlier things that a message may go on from; None where there is none."""

    ref: str | None = None
    """Its message or object about the same alert."""
    job_ref: str | None = None
    """Its thread about the alert's job."""
    moved_to: str | None = None
    """Where the channel itself has moved to: the address that the provider gave in place of the configured one."""


NOTHING_KNOWN = References()
