"""Rate limiting: one token bucket per client, refilled continuously, bounded in memory.

A bucket holds at most `capacity` tokens and gains `refill_per_second`; a request takes its route's cost. With
scope `local` each process enforces its fair share (quota ÷ replicas) with no call to anything, so the limit of the
whole stack holds when clients are spread evenly, and no client ever gets more than the quota; `shared_limit` has scope
`global`. Response fields: draft-ietf-httpapi-ratelimit-headers.
Everything here is pure: `now` is a monotonic time in seconds, given by the caller.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from math import ceil, floor
from typing import NamedTuple

MAX_CLIENTS = 100_000
"""Buckets kept at once, about 20 MB. The least recently seen goes first; most likely it was full again anyway."""


class Verdict(NamedTuple):
    """Whether a request may pass, the whole tokens left, and the seconds until it (or the next one) may."""

    allowed: bool
    remaining: int
    retry_after: int


@dataclass(frozen=True, slots=True)
class Quota:
    """What one client is granted: by one process, or by all of them together."""

    capacity: float
    refill_per_second: float

    @classmethod
    def share(cls, capacity: float, refill_per_second: float, replicas: int) -> "Quota":
        """Return one process's part of a quota. A bucket below one token would never admit anything."""
        return cls(max(1.0, capacity / replicas), refill_per_second / replicas)

    def refilled(self, tokens: float, seconds: float) -> float:
        """Return what a bucket holds that held so much so long ago, if nothing was taken from it."""
        return min(self.capacity, tokens + max(0.0, seconds) * self.refill_per_second)

    def verdict(self, tokens: float, need: float, *, allowed: bool) -> Verdict:
        """Return what a client is told whose bucket holds `tokens` after a request that needed `need` was judged."""
        wait = max(0, ceil(((1.0 if allowed else need) - tokens) / self.refill_per_second))
        return Verdict(allowed, max(0, floor(tokens)), wait if allowed else max(1, wait))

    def policy(self) -> bytes:
        """Return the value of RateLimit-Policy."""
        window = max(1, ceil(self.capacity / self.refill_per_second))
        return f'"default";q={floor(self.capacity)};w={window}'.encode()


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """The buckets of all clients of one process."""

    def __init__(self, quota: Quota, max_clients: int = MAX_CLIENTS) -> None:
        self.quota = quota
        self._max_clients = max_clients
        self._buckets: OrderedDict[bytes, _Bucket] = OrderedDict()
        self._policy = quota.policy()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: bytes, cost: float, now: float) -> Verdict:
        """Take a request's cost from its client's bucket. A cost over the capacity takes a full bucket."""
        bucket = self._bucket(client, now)
        bucket.tokens = self.quota.refilled(bucket.tokens, now - bucket.at)
        bucket.at = max(bucket.at, now)
        need = min(cost, self.quota.capacity)
        allowed = bucket.tokens >= need
        if allowed:
            bucket.tokens -= need
        return self.quota.verdict(bucket.tokens, need, allowed=allowed)

    def put(self, client: bytes, tokens: float, now: float) -> None:
        """Say how many tokens a client's bucket holds, whatever it held."""
        bucket = self._bucket(client, now)
        bucket.tokens, bucket.at = min(self.quota.capacity, max(0.0, tokens)), now

    def missing(self, client: bytes, now: float) -> float:
        """Return how many tokens a client's bucket lacks to be full."""
        bucket = self._buckets.get(client)
        return 0.0 if bucket is None else self.quota.capacity - self.quota.refilled(bucket.tokens, now - bucket.at)

    def fields(self, verdict: Verdict) -> list[tuple[bytes, bytes]]:
        """Return the response fields that tell a client where it stands."""
        return fields(self._policy, verdict)

    def _bucket(self, client: bytes, now: float) -> _Bucket:
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(self.quota.capacity, now)
            if len(self._buckets) > self._max_clients:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client)
        return bucket


def fields(policy: bytes, verdict: Verdict) -> list[tuple[bytes, bytes]]:
    """Return the response fields for a policy and where a client stands with it."""
    state = f'"default";r={verdict.remaining};t={verdict.retry_after}'.encode()
    return [(b"ratelimit-policy", policy), (b"ratelimit", state)]


def address_key(address: IPv4Address | IPv6Address) -> bytes:
    """Return the bucket's key of an address. IPv6 counts by /64: one subscriber owns all of it."""
    if isinstance(address, IPv6Address):
        return b"6" + IPv6Network((address, 64), strict=False).network_address.packed[:8]
    return b"4" + address.packed


def credential_key(value: bytes) -> bytes:
    """Return the bucket's key of a header's value: a digest, so that keys of clients are not kept in memory."""
    return b"h" + blake2b(value, digest_size=16).digest()
