"""How long entries live, and what the rules allow for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from hcs_services.settings import Settings


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """Lifetimes and allowances. Lifetimes are logical; physically an entry stays about twice as long."""

    ttl_seconds: float = 300.0
    jitter: float = 0.2
    null_ttl_seconds: float = 5.0
    tombstone_ttl_seconds: float = 120.0
    lease_ms: int = 3_000
    clock_skew_seconds: float = 0.5  # how far the clocks of Redis, the database and the pods may differ

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The policy that the settings ask for."""
        return cls(
            ttl_seconds=settings.cache_ttl_seconds,
            jitter=settings.cache_jitter,
            null_ttl_seconds=settings.null_ttl_seconds,
            tombstone_ttl_seconds=settings.tombstone_ttl_seconds,
            lease_ms=settings.fill_lease_ms,
        )
