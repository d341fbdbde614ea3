"""The cache's rules as a model in memory, with a clock of the test's own: the reference that the Lua scripts are held to,
and the cache of tests that are about something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hcs_services.cache import (
    CacheFigures,
    CachePolicy,
    CacheUnavailable,
    Change,
    EntityCache,
    Entry,
    Fill,
    FillOutcome,
    Lease,
)
from hcs_services.cache.entry import decode
from hcs_services.redis_connection.client import Client


def _nobody() -> Client:
    """A client that is never asked."""
    return Client("redis://nobody", seconds=1, password=lambda: None)


class MemoryCache(EntityCache):
    """`now` is Unix seconds and moves only when the test moves it. `down` makes every call fail."""

    def __init__(self, policy: CachePolicy | None = None, now: float = 1_000_000.0) -> None:
        policy = policy or CachePolicy(clock_skew_seconds=0)
        super().__init__(_nobody(), policy, clock=lambda: self.now, uniform=lambda: 0.5)
        self.now = now
        self.down = False
        self.entries: dict[str, Entry] = {}
        self.leases: dict[str, str] = {}
        self.horizons: dict[str, float] = {}
        self.beginning = float("-inf")
        self.calls: list[str] = []
        self._granted = 0

    # faults

    def evict(self, key: str) -> None:
        self.entries.pop(key, None)

    def evict_lease(self, key: str) -> None:
        self.leases.pop(key, None)

    def restart(self) -> None:
        """Everything is gone; nothing is known of before."""
        self.entries.clear()
        self.leases.clear()
        self.horizons.clear()
        self.beginning = self.now * 1e6

    # the interface

    async def get(self, key: str) -> Entry | None:
        self._answer("get")
        return self.entries.get(key)

    async def absent(self, keys: Sequence[str]) -> list[bool]:
        self._answer("absent")
        return [key not in self.entries for key in keys]

    async def horizons_began(self) -> float | None:
        self._answer("horizons")
        return None if self.beginning == float("-inf") else self.beginning / 1e6

    async def figures(self) -> CacheFigures:
        self._answer("figures")
        return CacheFigures(len(self.entries), 60, 1_000)

    async def acquire_many(self, keys: Sequence[str]) -> list[Lease]:
        self._answer("acquire")
        self._granted += 1
        token = f"lease-{self._granted}"
        return [
            Lease(token if self.leases.setdefault(key, token) == token else None, self.entries.get(key)) for key in keys
        ]

    async def release(self, key: str, lease: str) -> None:
        if not self.down and self.leases.get(key) == lease:
            del self.leases[key]

    async def fill_many(self, fills: Sequence[Fill]) -> list[FillOutcome | None]:
        return [None if self.down else self._fill(*fill) for fill in fills]

    def _fill(self, key: str, entry: Entry, lease: str, as_of: float | None) -> FillOutcome:
        if self.leases.get(key) != lease:
            return FillOutcome.LEASE_VOID
        del self.leases[key]
        held = self.entries.get(key)
        if held is not None and held.version > entry.version:
            return FillOutcome.NEWER_HELD
        absent = held is None or held.version == 0
        if absent and as_of is not None and as_of * 1e6 < self._horizon(key):
            return FillOutcome.UNPROVEN
        self._store(key, entry)
        return FillOutcome.STORED

    async def put_many(self, changes: Iterable[Change]) -> bool:
        if self.down:
            return False
        for change in changes:
            self._put(change)
        return True

    async def store_page(self, key: str, entry: Entry) -> None:
        if not self.down:
            self._store(key, entry)

    async def close(self) -> None:
        """Nothing to close."""

    def _put(self, change: Change) -> None:
        key, version = change.key, change.version
        horizon = self._horizon(key)
        self.horizons[key] = max(horizon, version, self.now * 1e6)
        self.leases.pop(key, None)
        held = self.entries.get(key)
        if held is not None and held.version >= version:
            return
        if (held is None or held.version == 0) and version < horizon:
            self.entries.pop(key, None)
            return
        self._store(key, self._committed(change))

    def _store(self, key: str, entry: Entry) -> None:
        stored = decode(entry.encode())
        assert stored is not None
        self.entries[key] = stored

    def _horizon(self, key: str) -> float:
        return max(self.beginning, self.horizons.get(key, float("-inf")))

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        if self.down:
            raise CacheUnavailable("down")
