"""`EntityCache`: what services do with the cache, in terms of entities and versions."""

from __future__ import annotations

import contextlib
import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Self

from prometheus_client import Counter
from redis.exceptions import NoScriptError

from hcs_services.cache import scripts
from hcs_services.cache.availability import Availability, CacheUnavailable
from hcs_services.cache.client import connect
from hcs_services.cache.entry import (
    NULL,
    TOMBSTONE,
    VALUE,
    Change,
    Entry,
    decode,
    list_change,
    order_change,
    physical_lifetime_ms,
    product_change,
    to_json,
)
from hcs_services.cache.policy import CachePolicy
from hcs_services.redis_connection.client import Client
from hcs_services.redis_connection.pipe import Words, answered
from hcs_services.settings import Settings

PUTS = Counter(
    "hcs_cache_puts_total",
    "States put after a commit, by what became of them: stored, newer_held, unproven, no_memory or unavailable.",
    ["outcome"],
)
FILLS = Counter(
    "hcs_cache_fills_total",
    "States put after a miss, by what became of them: as those of a commit, or lease_void.",
    ["outcome"],
)
LEASES = Counter(
    "hcs_cache_leases_total",
    "Fill leases asked for, by whether one was granted or another reader holds it (busy).",
    ["outcome"],
)


class FillOutcome(Enum):
    """What became of a fill."""

    STORED = scripts.STORED
    NEWER_HELD = scripts.NEWER_HELD
    UNPROVEN = scripts.UNPROVEN
    LEASE_VOID = scripts.LEASE_VOID
    NO_MEMORY = scripts.NO_MEMORY


class Lease(NamedTuple):
    """What `acquire` found: `token` is None for who has to wait for another's fill; `entry` is what is held now."""

    token: str | None
    entry: Entry | None


class Fill(NamedTuple):
    """What was read from the database for a key, and the lease that was taken before.

    `as_of` is the moment (Unix seconds) up to which the state read is known to be complete, such as the server's
    heartbeat in the same snapshot; None if it lacks nothing for certain, which no server can say of itself.
    """

    key: str
    entry: Entry
    lease: str
    as_of: float | None


class CacheFigures(NamedTuple):
    """How full the cache is and how long it has run: a young or small one explains misses."""

    keys: int
    uptime_seconds: int
    used_bytes: int


class EntityCache:
    """Versioned entries in Redis.

    For writers (`put*`, `tombstone`, `bump_list`) nothing raises: False means Redis did not do it, so repeat it later.
    For readers CacheUnavailable says that the cache cannot answer.
    """

    def __init__(
        self,
        redis: Client,
        policy: CachePolicy,
        *,
        clock: Callable[[], float] = time.time,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._redis = redis
        self._policy = policy
        self._clock = clock
        self._uniform = uniform
        self._availability = Availability()

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """A cache client with a connection of its own."""
        return cls(connect(settings), CachePolicy.of(settings))

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    # --- readers

    async def get(self, key: str) -> Entry | None:
        """What is held under the key, expired or not. Raises CacheUnavailable."""
        with self._availability.guarded("get"):
            raw = await self._redis.command("GET", key)
        return None if raw is None else decode(raw)

    async def absent(self, keys: Sequence[str]) -> list[bool]:
        """Whether nothing is held under each of them. Raises CacheUnavailable."""
        with self._availability.guarded("absent"):
            return [not held for held in answered(await self._redis.batch([("EXISTS", key) for key in keys]))]

    async def horizons_began(self) -> float | None:
        """The moment (Unix seconds) at which the cache's horizons began: another one says that it was emptied since.

        None before the first put or fill of an empty cache. Raises CacheUnavailable.
        """
        with self._availability.guarded("horizons"):
            return scripts.began(await self._redis.command("GETRANGE", scripts.HORIZONS_KEY, 0, 7))

    async def figures(self) -> CacheFigures:
        """The server's own figures. Raises CacheUnavailable."""
        with self._availability.guarded("figures"):
            asked = (("DBSIZE",), ("INFO", "server"), ("INFO", "memory"))
            keys, server, memory = answered(await self._redis.batch(asked))
        return CacheFigures(keys, _figure(server, b"uptime_in_seconds"), _figure(memory, b"used_memory"))

    async def acquire(self, key: str) -> Lease:
        """Ask for the right to fill; read the database only after this. Raises CacheUnavailable."""
        return (await self.acquire_many([key]))[0]

    async def acquire_many(self, keys: Sequence[str]) -> list[Lease]:
        """Ask for the right to fill each of them, all in one round trip. Raises CacheUnavailable."""
        token, commands = secrets.token_hex(8), list[Words]()
        for key in keys:
            commands.append(("SET", scripts.lease_key(key), token, "NX", "PX", self._policy.lease_ms))
            commands.append(("GET", key))
        with self._availability.guarded("acquire"):
            # sent twice it would find its own lease taken, and nobody would fill until that ends
            replies = answered(await self._redis.batch(commands, repeatable=False))
        granted = [token if reply else None for reply in replies[::2]]
        LEASES.labels("granted").inc(granted.count(token))
        LEASES.labels("busy").inc(granted.count(None))
        held = [None if raw is None else decode(raw) for raw in replies[1::2]]
        return list(map(Lease, granted, held))

    async def release(self, key: str, lease: str) -> None:
        """Give an unused lease back, so that the next reader need not wait for its end. Never raises."""
        with contextlib.suppress(CacheUnavailable), self._availability.guarded("release"):
            await self._redis.command("EVAL", scripts.RELEASE, 1, scripts.lease_key(key), lease)

    async def fill(self, key: str, entry: Entry, *, lease: str, as_of: float | None) -> FillOutcome | None:
        """Store what was read from the database under this lease; None when Redis did not answer. Never raises."""
        return (await self.fill_many([Fill(key, entry, lease, as_of)]))[0]

    async def fill_many(self, fills: Sequence[Fill]) -> list[FillOutcome | None]:
        """Store what was read under leases, all in one round trip; None when Redis did not answer. Never raises."""
        calls = [(it.key, [*self._arguments(it.key, it.entry), it.lease, self._moment(it.as_of)]) for it in fills]
        try:
            results = await self._run("fill", scripts.FILL, calls)
        except CacheUnavailable:
            FILLS.labels("unavailable").inc(len(fills))
            return [None] * len(fills)
        outcomes = [FillOutcome(result) for result in results]
        for outcome in set(outcomes):
            FILLS.labels(outcome.name.lower()).inc(outcomes.count(outcome))
        return [*outcomes]

    async def store_page(self, key: str, entry: Entry) -> None:
        """Keep a page whose key names its generation: it can never be wrong, so no lease is needed. Never raises."""
        milliseconds = physical_lifetime_ms(entry.lifetime_ms, self._policy.jitter, self._uniform())
        with contextlib.suppress(CacheUnavailable), self._availability.guarded("page"):
            await self._redis.command("SET", key, entry.encode(), "PX", milliseconds)

    def loaded(self, version: int, data: bytes | None, *, delta_ms: int = 0) -> Entry:
        """The entry for a row just read; no data means no row, which is remembered for a few seconds only."""
        # rows that are read together, as after an emptied cache, are not due together
        shortened = self._policy.ttl_seconds * (1 - self._policy.jitter * self._uniform())
        ttl = self._policy.null_ttl_seconds if data is None else shortened
        flag = NULL if data is None else VALUE
        version = 0 if data is None else version
        return Entry(version, data, int(self._clock() * 1000), int(ttl * 1000), delta_ms, flag)

    # --- writers

    async def put_many(self, changes: Iterable[Change]) -> bool:
        """Put committed states, all in one round trip. True once Redis has dealt with every one of them.

        An older one than what is held is dealt with, too; False means that some have to be put again.
        """
        calls = [(change.key, self._arguments(change.key, self._committed(change))) for change in changes]
        if not calls:
            return True
        try:
            results = await self._run("put", scripts.PUT, calls)
        except CacheUnavailable:
            PUTS.labels("unavailable").inc(len(calls))
            return False
        for result in results:
            PUTS.labels(FillOutcome(result).name.lower()).inc()
        return True

    async def put(self, key: str, version: int, document: Mapping[str, Any]) -> bool:
        """Put one committed state unless a newer one is held."""
        return await self.put_many([Change(key, version, document)])

    async def tombstone(self, key: str, version: int) -> bool:
        """Say that the entity was deleted at this version."""
        return await self.put_many([Change(key, version, None)])

    async def put_order(self, document: Mapping[str, Any]) -> bool:
        """Put an order's document."""
        return await self.put_many([order_change(document)])

    async def put_product(self, document: Mapping[str, Any]) -> bool:
        """Put a product's document."""
        return await self.put_many([product_change(document)])

    async def bump_list(self, user_id: str, version: int) -> bool:
        """Move a user's order list to a new generation; pages of older ones are no longer found."""
        return await self.put_many([list_change(user_id, version)])

    # --- inside

    def _committed(self, change: Change) -> Entry:
        now = int(self._clock() * 1000)
        if change.document is None:
            return Entry(change.version, None, now, int(self._policy.tombstone_ttl_seconds * 1000), 0, TOMBSTONE)
        return Entry(change.version, to_json(change.document), now, int(self._policy.ttl_seconds * 1000))

    def _arguments(self, key: str, entry: Entry) -> list[Any]:
        # a null entry is only right for so long: it has no grace in which it is served while being renewed
        physical = physical_lifetime_ms(entry.lifetime_ms, self._policy.jitter, self._uniform())
        milliseconds = entry.lifetime_ms if entry.flag == NULL else physical
        skew = int(self._policy.clock_skew_seconds * 1e6)
        return [entry.version, entry.encode(), milliseconds, scripts.group_of(key), skew]

    def _moment(self, as_of: float | None) -> str:
        return "" if as_of is None else str(int((as_of - self._policy.clock_skew_seconds) * 1e6))

    async def _run(self, operation: str, script: str, calls: list[tuple[str, list[Any]]]) -> list[int]:
        """Run one script for each key in one round trip; loads it where the server does not know it.

        What it does twice, versions and leases keep from doing harm: it may be repeated.
        """
        name = scripts.sha1(script)
        commands: list[Words] = [
            ("EVALSHA", name, 3, key, scripts.lease_key(key), scripts.HORIZONS_KEY, *arguments)
            for key, arguments in calls
        ]
        with self._availability.guarded(operation):
            results = await self._redis.batch(commands)
            if any(isinstance(result, NoScriptError) for result in results):
                _, *results = await self._redis.batch([("SCRIPT", "LOAD", script), *commands])
            return answered(results)


def _figure(info: bytes, name: bytes) -> int:
    """One line of what INFO says."""
    return int(info.split(b"\r\n" + name + b":", 1)[1].split(b"\r\n", 1)[0])
