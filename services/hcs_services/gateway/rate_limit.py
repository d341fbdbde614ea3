"""Rate limiting: one token bucket per client, refilled continuously, bounded in memory.

A bucket holds at most `capacity` tokens and gains `refill_per_second`; a request takes its route's cost. Each process
enforces its fair share (quota ÷ replicas) with no call to anything, so the limit of the whole stack holds when clients
are spread evenly, and no client ever gets more than the quota. Response fields: draft-ietf-httpapi-ratelimit-headers.
Everything here is pure: `now` is a monotonic time in seconds, given by the caller.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from math import ceil, floor

MAX_CLIENTS = 100_000
"""Buckets kept at once, about 20 MB. The least recently seen goes first; most likely it was full again anyway."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What one process grants one client."""

    capacity: float
    refill_per_second: float

    @classmethod
    def share(cls, capacity: float, refill_per_second: float, replicas: int) -> "Quota":
        """Return one process's part of a quota. A bucket below one token would never admit anything."""
        return cls(max(1.0, capacity / replicas), refill_per_second / replicas)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, the whole tokens left, and the seconds until it (or the next one) may."""

    allowed: bool
    remaining: int
    retry_after: int


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
        window = max(1, ceil(quota.capacity / quota.refill_per_second))
        self._policy = f'"default";q={floor(quota.capacity)};w={window}'.encode()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: bytes, cost: float, now: float) -> Verdict:
        """Take a request's cost from its client's bucket. A cost over the capacity takes a full bucket."""
        capacity, refill = self.quota.capacity, self.quota.refill_per_second
        bucket = self._bucket(client, now)
        bucket.tokens = min(capacity, bucket.tokens + max(0.0, now - bucket.at) * refill)
        bucket.at = max(bucket.at, now)
        need = min(cost, capacity)
        if bucket.tokens >= need:
            bucket.tokens -= need
            return Verdict(allowed=True, remaining=floor(bucket.tokens), retry_after=self._until(bucket, 1.0))
        return Verdict(allowed=False, remaining=floor(bucket.tokens), retry_after=max(1, self._until(bucket, need)))

    def fields(self, verdict: Verdict) -> list[tuple[bytes, bytes]]:
        """Return the response fields that tell a client where it stands."""
        state = f'"default";r={verdict.remaining};t={verdict.retry_after}'.encode()
        return [(b"ratelimit-policy", self._policy), (b"ratelimit", state)]

    def _bucket(self, client: bytes, now: float) -> _Bucket:
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(self.quota.capacity, now)
            if len(self._buckets) > self._max_clients:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client)
        return bucket

    def _until(self, bucket: _Bucket, tokens: float) -> int:
        return max(0, ceil((tokens - bucket.tokens) / self.quota.refill_per_second))


def address_key(address: IPv4Address | IPv6Address) -> bytes:
    """Return the bucket's key of an address. IPv6 counts by /64: one subscriber owns all of it."""
    if isinstance(address, IPv6Address):
        return b"6" + IPv6Network((address, 64), strict=False).network_address.packed[:8]
    return b"4" + address.packed


def credential_key(value: bytes) -> bytes:
    """Return the bucket's key of a header's value: a digest, so that keys of clients are not kept in memory."""
    return b"h" + blake2b(value, digest_size=16).digest()
