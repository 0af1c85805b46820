"""A token bucket: how many messages a channel may still be sent. Its owner stores it, so no restart fills it."""

from dataclasses import dataclass

from agent.core.clock import HOUR

RESERVE = 0.25
"""The share of the bucket that only critical messages may use (R-8.4)."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The user's `[rate_limit]`, which a channel may have its own hourly number for."""

    max_per_hour: int = 30
    burst: int = 6


@dataclass(frozen=True, slots=True)
class Bucket:
    """`tokens` as of `updated_at` (UTC milliseconds). Less than none are a debt, made by something critical."""

    tokens: float
    updated_at: int


def full(limit: RateLimit, now: int) -> Bucket:
    """The bucket of a channel that was never used."""
    return Bucket(float(limit.burst), now)


def refilled(bucket: Bucket, limit: RateLimit, now: int) -> Bucket:
    """Add what has dripped in since; a clock that was set back adds nothing and takes nothing."""
    passed = max(0, now - bucket.updated_at)
    return Bucket(min(float(limit.burst), bucket.tokens + passed * limit.max_per_hour / HOUR), now)


def needed(limit: RateLimit, *, critical: bool) -> float:
    """Tokens that must be there for one message."""
    return 1.0 if critical else min(1.0 + RESERVE * limit.burst, float(limit.burst))


def ready_at(bucket: Bucket, limit: RateLimit, tokens: float) -> int:
    """When a bucket, as refilled just now, holds so many tokens (UTC milliseconds)."""
    missing = max(0.0, tokens - bucket.tokens)
    return bucket.updated_at + round(missing * HOUR / limit.max_per_hour)
