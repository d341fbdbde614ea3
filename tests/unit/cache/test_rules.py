"""No order of commits, late puts, slow fills from a lagging replica, evictions and restarts leaves a stale entry.

The rules run on the model; `tests/engine/cache` holds the Lua scripts to the same model and to real races.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.unit.cache.memory_cache import MemoryCache

from hcs_services.cache import Change

pytestmark = pytest.mark.unit
T = TypeVar("T")
KEY = "o:a"  # races are among those who touch one key


def now_of(micros: int) -> float:
    return micros / 1e6


@dataclass
class SlowFill:
    version: int
    lease: str
    as_of: float | None


class CacheRaces(RuleBasedStateMachine):
    """Time is a counter of microseconds. The replica lags at will; `history` is what was committed, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.micros = 1_000
        self.cache = MemoryCache(now=now_of(self.micros))
        self.history: list[tuple[int, int]] = []
        self.pending: list[Change] = []
        self.loads: list[SlowFill] = []
        self.replica_at = 0

    def tick(self) -> int:
        self.micros += 1
        self.cache.now = now_of(self.micros)
        return self.micros

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        """The model never waits, so its coroutines end at their first step."""
        try:
            call.send(None)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        raise AssertionError("the model waited")

    def state(self, at: int) -> int:
        return max((version for when, version in self.history if when <= at), default=0)

    @rule()
    def commit(self) -> None:
        version = max(self.state(self.micros) + 1, self.tick())
        self.history.append((self.tick(), version))
        # inline and by the relay; the order in which they arrive is anybody's
        self.pending += [Change(KEY, version, {"version": version})] * 2

    @rule(data=st.data())
    def put_arrives(self, data: st.DataObject) -> None:
        if self.pending:
            self.tick()
            self.run(self.cache.put_many([self.pending.pop(data.draw(st.integers(0, len(self.pending) - 1)))]))

    @rule(data=st.data())
    def every_put_arrives(self, data: st.DataObject) -> None:
        for change in data.draw(st.permutations(self.pending)):
            self.tick()
            self.run(self.cache.put_many([change]))
        self.pending.clear()

    @rule()
    def replica_catches_up(self) -> None:
        self.replica_at = self.tick()

    @rule(at_replica=st.booleans())
    def load_begins(self, at_replica: bool) -> None:
        self.tick()
        lease, _ = self.run(self.cache.acquire(KEY))
        if lease is not None:
            at = self.replica_at if at_replica else self.micros
            as_of = now_of(self.replica_at) if at_replica else None
            self.loads.append(SlowFill(self.state(at), lease, as_of))

    @rule(data=st.data())
    def load_ends(self, data: st.DataObject) -> None:
        if self.loads:
            self.tick()
            load = self.loads.pop(data.draw(st.integers(0, len(self.loads) - 1)))
            entry = self.cache.loaded(load.version, b"{}" if load.version else None)
            self.run(self.cache.fill(KEY, entry, lease=load.lease, as_of=load.as_of))

    @rule()
    def entry_is_evicted(self) -> None:
        self.cache.evict(KEY)

    @rule()
    def lease_ends(self) -> None:
        self.cache.evict_lease(KEY)

    @rule()
    def cache_restarts(self) -> None:
        self.tick()
        self.cache.restart()

    @invariant()
    def nothing_held_is_older_than_the_last_put_still_to_come(self) -> None:
        entry = self.cache.entries.get(KEY)
        newest = self.state(self.micros)
        on_its_way = any(change.version == newest for change in self.pending)
        if entry is not None and not on_its_way:
            assert newest == entry.version, "held for good"


CacheRaces.TestCase.settings = settings(max_examples=600, stateful_step_count=30)
TestCacheRaces = CacheRaces.TestCase


async def test_a_null_entry_is_beaten_by_any_put() -> None:
    cache = MemoryCache()
    lease, _ = await cache.acquire("p:new")
    assert lease is not None
    await cache.fill("p:new", cache.loaded(0, None), lease=lease, as_of=None)
    await cache.put("p:new", 5, {"version": 5})
    assert cache.entries["p:new"].version == 5


async def test_a_tombstone_refuses_what_was_before_it() -> None:
    cache = MemoryCache()
    await cache.tombstone("p:gone", 9)
    await cache.put("p:gone", 8, {"version": 8})
    assert (cache.entries["p:gone"].version, cache.entries["p:gone"].data) == (9, None)
