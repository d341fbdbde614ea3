"""Token buckets that all gateways share: one key each in a Redis of their own, changed by a script.

A key is 16 bytes: the tokens that were left, and the server's microsecond at which they were. It is written when tokens
are taken, and lives until the bucket would be full again, since a full bucket and an absent one are the same: what is
idle goes by itself. That Redis evicts nothing (`noeviction`), so nothing goes earlier; when its memory is used up it
refuses, which is said here as an error (docs/adr/0014).

Time is that of the one server. If its clock is set back, nothing is refilled for the time that is lived through again;
whatever it is set forward by is refilled at once.
"""

import hashlib
from typing import NamedTuple

from redis.exceptions import NoScriptError

from hcs_services.gateway.rate_limit import Quota
from hcs_services.redis_connection.client import Client
from hcs_services.redis_connection.pipe import Words, answered

PREFIX = b"bucket:"
"""What the gateway's account in that Redis may touch."""
PROBE = b"probe"
_OF_THE_PROBE = Quota(1_000_000, 1_000_000)
"""Full again after a millisecond, so that each probe writes."""

# KEYS: bucket. ARGV: capacity, refill per second, cost, debt. Returns whether the cost was taken, and what is left as
# text, since Redis cuts off the fraction of a number. A debt is taken first, down to an empty bucket's opposite.
TAKE = r"""
local capacity, refill, cost, debt = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tokens, at = capacity, now
local held = redis.call('GET', KEYS[1])
if held then tokens, at = struct.unpack('>dd', held) end

tokens = math.min(capacity, tokens + math.max(0, now - at) * refill / 1000000)
if debt > 0 then tokens = math.max(-capacity, tokens - debt) end
local need = math.min(cost, capacity)
local taken = tokens >= need
if taken then tokens = tokens - need end
if taken or debt > 0 or now < at then
  local full = math.ceil((capacity - tokens) / refill * 1000) + 1
  redis.call('SET', KEYS[1], struct.pack('>dd', tokens, now), 'PX', math.min(full, 9007199254740992))
end
return {taken and 1 or 0, string.format('%.17g', tokens)}
"""
_NAME = hashlib.sha1(TAKE.encode(), usedforsecurity=False).hexdigest()


class Taken(NamedTuple):
    """Whether the cost was taken, and the tokens that are left."""

    allowed: bool
    left: float


class SharedBuckets:
    """The buckets of one quota; raises what `Client.batch` raises, or what Redis refused."""

    def __init__(self, redis: Client, quota: Quota) -> None:
        self.quota = quota
        self._redis = redis

    async def take(self, client: bytes, cost: float, debt: float = 0) -> Taken:
        """Take what a client owes from its bucket, and a request's cost; one over the capacity takes a full bucket.

        A debt is taken whether or not the cost is, and may leave less than nothing, down to minus the capacity.
        """
        return await self._take(PREFIX + client, self.quota, cost, debt)

    async def probe(self) -> None:
        """Return if Redis answers in time and has room for a bucket; this one is gone a moment later."""
        await self._take(PREFIX + PROBE, _OF_THE_PROBE, 1, 0)

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    async def _take(self, key: bytes, quota: Quota, cost: float, debt: float) -> Taken:
        command: Words = ("EVALSHA", _NAME, 1, key, quota.capacity, quota.refill_per_second, cost, debt)
        # sent twice it might take twice: who gets no answer is judged without Redis
        [reply] = await self._redis.batch([command], repeatable=False)
        if isinstance(reply, NoScriptError):
            _, reply = await self._redis.batch([("SCRIPT", "LOAD", TAKE), command], repeatable=False)
        allowed, left = answered([reply])[0]
        return Taken(bool(allowed), float(left))
