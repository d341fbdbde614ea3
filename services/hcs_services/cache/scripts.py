"""The rules of the cache, run atomically by Redis.

1. A value never replaces a newer one: versions decide, not arrival.
2. A fill presents the lease that its reader took *before* it read the database. A write, an eviction, a restart or
   time voids the lease, so a slow fill cannot bring an older state back.
3. A value enters an *absent* key only if it is known to contain every write of that key, because what was there may
   have been newer and evicted. What is known are the horizons: for each of 65,536 groups of keys, the newest moment at
   which a key of the group was written to. A late put is refused if its version is below its group's horizon; a fill
   is, if the state that the server had (its heartbeat, less the clocks' possible difference) is; the primary's too,
   since one that was cut off answers for a while with what is out of date.
   The horizons are one 512 KiB string. If that is lost all of them begin at now; on a server that can have lost
   nothing since its start (it evicts, but has not yet, and was never flushed), there.
4. Out of memory: a write that cannot be stored removes what it outdates. Redis refuses only a script's first write
   for want of memory, so that is never a deletion.

Horizons, versions and moments are all microseconds of Unix time below 2^53, exact as Lua numbers.
KEYS: entry, lease, horizons. ARGV: version, value, physical milliseconds, group, allowance for clocks (µs), then per
script. A refusal is cheap, the next reader loads the row; so grouping keys costs a little work and no correctness:
with p puts a second, and servers known to be complete up to w seconds ago, 1 − exp(−p·w / 65,536) of fills
are refused needlessly (2 % at 1,500/s and 1 s).
"""

from __future__ import annotations

import hashlib
import struct
from functools import cache

import xxhash

HORIZONS_KEY = "horizons"
GROUPS = 65_536

# Results of both scripts
STORED = 1
NEWER_HELD = 0
UNPROVEN = -1  # absent key, and the value may lack a write
LEASE_VOID = -2
NO_MEMORY = -3

_RULES = r"""
local version, group = tonumber(ARGV[1]), 8 * (1 + tonumber(ARGV[4]))
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function number_at(offset)
  local bytes = redis.call('GETRANGE', KEYS[3], offset, offset + 7)
  if #bytes == 8 then return (struct.unpack('>d', bytes)) end
  return nil
end

local function write_number(offset, number)
  local answer = redis.pcall('SETRANGE', KEYS[3], offset, struct.pack('>d', number))
  return type(answer) == 'number'
end

local function says(section, pattern)
  return string.find(redis.call('INFO', section), pattern) ~= nil
end

local function beginning()
  local lost = not says('stats', 'evicted_keys:0\r') or says('commandstats', 'cmdstat_flush')
    or says('memory', 'maxmemory_policy:noeviction')
  local uptime = lost and 0 or string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)')
  return now - uptime * 1000000 + tonumber(ARGV[5])
end

local horizon = number_at(0)
if horizon == nil then
  horizon = beginning()
  write_number(0, horizon)
end
horizon = math.max(horizon, number_at(group) or 0)

local held = string.match(redis.call('GETRANGE', KEYS[1], 0, 16), '^(%d+)|')
held = held and tonumber(held)

local function refuse(result)
  redis.call('DEL', KEYS[2])
  return result
end

local function remove(result)
  redis.call('DEL', KEYS[1], KEYS[2])
  return result
end

local function store()
  local answer = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  if type(answer) == 'table' and answer.err then return remove(-3) end
  redis.call('DEL', KEYS[2])
  return 1
end
"""

PUT = (
    _RULES
    + """
if not write_number(group, math.max(horizon, version, now)) then
  redis.call('DEL', KEYS[3])
  return remove(-3)
end
if held and held >= version then return refuse(0) end
if (held or 0) == 0 and version < horizon then return remove(-1) end
return store()
"""
)

# ARGV[6]: the lease; ARGV[7]: the moment whose writes the value contains, '' for all
FILL = (
    _RULES
    + """
if redis.call('GET', KEYS[2]) ~= ARGV[6] then return -2 end
if held and held > version then return refuse(0) end
if (held or 0) == 0 and ARGV[7] ~= '' and tonumber(ARGV[7]) < horizon then return refuse(-1) end
return store()
"""
)

# KEYS: lease. ARGV: lease
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@cache  # it takes several microseconds, and each fill asks for it
def sha1(script: str) -> str:
    """The name Redis knows a loaded script by."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def group_of(key: str) -> int:
    """The group of keys whose horizon this key shares."""
    return xxhash.xxh64_intdigest(key.encode()) % GROUPS


def began(head: bytes) -> float | None:
    """When the horizons began (Unix seconds), by the first eight bytes of their string; None where there is none."""
    return float(struct.unpack(">d", head)[0]) / 1e6 if len(head) == 8 else None


def lease_key(key: str) -> str:
    """Where a key's fill lease lies."""
    return f"lease:{key}"
