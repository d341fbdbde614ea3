"""Scope `global`: one bucket per client for all gateways, in Redis; and each gateway's share while Redis is away.

1. The ceiling refuses without a question whoever Redis could only refuse.
2. Redis decides. This process's share of what is left there is noted, so that it can go on from it.
3. A question that fails is decided by the share, and so is every request after it, at once, until a probe is answered:
   nobody waits for a Redis that is stopped, slow or full. Nothing is ever admitted without a bucket.
4. What the share grants meanwhile is a debt, which Redis is told with the next question; it is never more than what the
   share lacks by then, since a bucket that was left alone for long was full at times. (The question that failed is no
   debt: it may have been carried out.)

Both changes are logged. What they cost a client's quota is at most one capacity: a share that nothing was noted for is
full, and so is every bucket of a Redis that has restarted.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog
from redis.exceptions import RedisError

from hcs_services.gateway import metrics
from hcs_services.gateway.ceiling import Ceiling
from hcs_services.gateway.debts import Debts
from hcs_services.gateway.rate_limit import Quota, RateLimiter, Verdict, fields
from hcs_services.gateway.shared_buckets import Taken
from hcs_services.settings import MissingCredentialError

PROBE_SECONDS = 1.0
"""Between two probes. A fall costs the client little, since the share takes over where Redis was left."""
_AWAY = (RedisError, OSError, TimeoutError, MissingCredentialError)

log = structlog.get_logger(__name__)
Fields = list[tuple[bytes, bytes]]


class Buckets(Protocol):
    """Where all gateways count together (`SharedBuckets`)."""

    quota: Quota

    async def take(self, client: bytes, cost: float, debt: float = 0) -> Taken:
        """Take a debt and a cost from a client's bucket."""

    async def probe(self) -> None:
        """Return if `take` would work."""

    async def close(self) -> None:
        """End."""


class SharedLimit:
    """The limit of routes with scope `global`; `share` is what this process grants alone."""

    def __init__(self, buckets: Buckets, share: Quota, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = buckets
        self._quota = buckets.quota
        self._policy = self._quota.policy()
        self._share = RateLimiter(share)
        self._fraction = share.capacity / self._quota.capacity
        self._ceiling = Ceiling(self._quota)
        self._debts = Debts()
        self._clock = clock
        self._away = asyncio.Event()

    def __len__(self) -> int:
        return len(self._share)

    async def take(self, client: bytes, cost: float) -> tuple[Verdict, Fields]:
        """Judge a request; return the fields that tell its client where it stands, too."""
        asked_at, need = self._clock(), min(cost, self._quota.capacity)
        if self._away.is_set():
            verdict, fields_ = self._alone(client, cost)
            if verdict.allowed:
                self._debts.add(client, need)
            return verdict, fields_
        refusal = self._ceiling.refusal(client, cost, asked_at)
        if refusal is not None:
            return self._told("ceiling", refusal)
        debt = min(self._debts.settled(client), self._share.missing(client, asked_at))
        try:
            taken = await self._buckets.take(client, cost, debt)
        except _AWAY as error:
            self._fall(error)
            if debt:
                self._debts.add(client, debt)
            return self._alone(client, cost)
        self._ceiling.learn(client, taken.left, asked_at)
        if not self._away.is_set():  # else the share has gone on from there already
            self._share.put(client, taken.left * self._fraction, asked_at)
        return self._told("redis", self._quota.verdict(taken.left, need, allowed=taken.allowed))

    async def follow(self) -> None:
        """Look for Redis at the start, and again whenever it was away, for ever."""
        while True:
            await self._probe()
            await self._away.wait()
            await asyncio.sleep(PROBE_SECONDS)

    async def close(self) -> None:
        """Close the connection to Redis."""
        await self._buckets.close()

    async def _probe(self) -> None:
        try:
            await self._buckets.probe()
        except _AWAY as error:
            self._fall(error)
            return
        if self._away.is_set():
            log.info("the global rate limit is counted in Redis again")
        self._away.clear()
        metrics.ALONE.set(0)

    def _fall(self, error: Exception) -> None:
        if not self._away.is_set():
            told = str(error) or type(error).__name__
            log.warning("the global rate limit is not counted in Redis: this gateway grants its share", error=told)
        self._away.set()
        metrics.ALONE.set(1)

    def _told(self, by: str, verdict: Verdict) -> tuple[Verdict, Fields]:
        metrics.GLOBAL_VERDICTS.labels(by).inc()
        return verdict, fields(self._policy, verdict)

    def _alone(self, client: bytes, cost: float) -> tuple[Verdict, Fields]:
        metrics.GLOBAL_VERDICTS.labels("share").inc()
        verdict = self._share.take(client, cost, self._clock())
        return verdict, self._share.fields(verdict)
