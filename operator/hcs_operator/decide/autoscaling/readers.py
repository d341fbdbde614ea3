"""Read replicas follow miss traffic: as many as carry the reads that the cache does not answer.

    need = ceil(misses/s / reads/s one reader serves)

Misses, not the hit ratio: from 99 % to 98 % the load on the readers doubles, from 60 % to 55 % it grows by 12 %. The
counters are the read API's own, of users' reads only. Out: need > have in 3 of 4 looks spread over `scaleOut.sustain`.
In: one reader less would have been enough during all of `scaleIn.sustain`, one per `interval`, none within
`afterScaleOut`. While replication lags the count is frozen both ways. A cold cache (restarted or flushed) makes misses
that no reader should be added for: it holds while refilling, and before that while the cache does not answer.
"""

from dataclasses import dataclass, replace
from math import ceil

from hcs_operator.api.observed import CacheCounters, CacheState, Reason, Recommendation

LOOKS = 4
"""Looks that `scaleOut.sustain` is divided into."""
ENOUGH = 3
"""How many of them must ask for more."""
COLD_LIMIT = 600.0
"""Seconds after which a cache that is still cold no longer holds anything back."""
REFILLED = 0.8
"""Share of its former keys at which a cache counts as warm again."""
COLLAPSED = 0.5
"""Share of its former keys below which a cache counts as flushed."""
_SHORTEST = 1.0


@dataclass(frozen=True)
class ReaderLaw:
    """The user's part; all times in seconds, `reads_per_replica` in reads/s."""

    minimum: int
    maximum: int
    reads_per_replica: float
    out_sustain: float
    in_sustain: float
    in_interval: float
    after_out: float


@dataclass(frozen=True)
class ReaderSamples:
    """One look: `lagging` is the lag brake's or a running operation's sentence, None when replication is fine."""

    now: float
    current: int
    counters: tuple[CacheCounters, ...]
    cache: CacheState | Reason | None
    lagging: str | None = None


@dataclass(frozen=True)
class ReaderState:
    """The law's memory between two looks."""

    counters: tuple[CacheCounters, ...] = ()
    misses: float = 0.0
    """Per second, over the time since the last look that was kept."""
    hit_ratio: float | None = None
    window: tuple[tuple[float, float], ...] = ()
    """(when, misses/s) of the longer of the two sustain times."""
    series_since: float = 0.0
    """When the uninterrupted series of looks began that the window is the end of."""
    keys: int = 0
    """Keys of the cache when it was last warm."""
    uptime: float = 0.0
    cold_since: float | None = None
    current: int | None = None
    """The count at the last look."""
    out_at: float | None = None
    """When the count was last seen to have grown."""
    in_at: float | None = None
    """When it was last seen to have fallen."""

    @property
    def measured_at(self) -> float | None:
        """Return when the newest of the counters was read."""
        return max((entry.at for entry in self.counters), default=None)


def decide(samples: ReaderSamples, state: ReaderState | None, law: ReaderLaw) -> Recommendation:
    """Return the count of read replicas, with its numbers in words."""
    state = _cache_seen(samples, _counted(samples, state or ReaderState()))
    state, fresh = _measured(samples, state, law)
    have = samples.current
    need = max(1, ceil(state.misses / law.reads_per_replica))
    ratio = "unknown" if state.hit_ratio is None else f"{state.hit_ratio:.0%}"
    numbers = f"{state.misses:.1f} misses/s (hit rate {ratio}), one reader serves {law.reads_per_replica:g} reads/s"
    hold = _held(samples, state)
    if hold:
        return Recommendation(have, Reason(hold[0], f"holds {have}: {hold[1]}; {numbers}"), hold[0], state)
    if fresh:
        state = _kept(state, samples.now, law)
    wanted, limited = _bounded(law, _moved(samples, state, law))
    word = "MissTraffic" if wanted > have else "MissTrafficFell" if wanted < have else "Steady"
    arrow = f"{have} -> {wanted}: " if wanted != have else f"holds {have} (need {need}): "
    return Recommendation(wanted, Reason(word, arrow + numbers), limited, state)


def _counted(samples: ReaderSamples, state: ReaderState) -> ReaderState:
    """Notice that a decision was carried out: until then (never, if it is only a recommendation) it stands.

    What fewer readers were asked for says nothing of what more of them need.
    """
    before, state = state.current, replace(state, current=samples.current)
    if before is not None and samples.current > before:
        return replace(state, out_at=samples.now, window=())
    if before is not None and samples.current < before:
        return replace(state, in_at=samples.now)
    return state


def _held(samples: ReaderSamples, state: ReaderState) -> tuple[str, str] | None:
    """Return why the count may not move at all now."""
    if samples.lagging:
        return "LagBrake", samples.lagging
    if state.cold_since is not None and samples.now - state.cold_since <= COLD_LIMIT:
        ago = f"{samples.now - state.cold_since:.0f} s ago"
        return "CacheCold", f"the cache restarted, was flushed or fell silent {ago} and is refilling"
    if not samples.counters:
        return "ReadsUnseen", "no read API answers with its counters"
    return None


def _moved(samples: ReaderSamples, state: ReaderState, law: ReaderLaw) -> int:
    """Return the count the window of looks asks for, one step at a time (two when the need is double)."""
    have = samples.current
    recent = [misses for at, misses in state.window if samples.now - at <= law.out_sustain]
    more = [misses for misses in recent[-LOOKS:] if misses > have * law.reads_per_replica]
    if len(more) >= ENOUGH and len(recent) >= LOOKS:
        need = ceil(min(more) / law.reads_per_replica)
        return min(max(need, have + 1), have + (2 if need >= 2 * have else 1))
    whole = samples.now - state.series_since >= law.in_sustain
    past = [misses for at, misses in state.window if samples.now - at <= law.in_sustain]
    enough = have > 1 and all(misses <= (have - 1) * law.reads_per_replica for misses in past)
    rested = _passed(samples.now, state.in_at, law.in_interval) and _passed(samples.now, state.out_at, law.after_out)
    return have - 1 if whole and past and enough and rested else have


def _bounded(law: ReaderLaw, wanted: int) -> tuple[int, str | None]:
    if wanted > law.maximum:
        return law.maximum, "MaxReplicas"
    if wanted < law.minimum:
        return law.minimum, "MinReplicas"
    return wanted, None


def _measured(samples: ReaderSamples, state: ReaderState, law: ReaderLaw) -> tuple[ReaderState, bool]:
    """Take a new rate once the spacing has passed; a new or restarted pod counts from the next look on."""
    last = {entry.pod: entry for entry in state.counters}
    spacing = max(_SHORTEST, min(law.out_sustain, law.in_sustain) / LOOKS * 0.9)
    if samples.counters and (not last or all(entry.pod not in last for entry in samples.counters)):
        return replace(state, counters=samples.counters), False
    hits = misses = span = 0.0
    for entry in samples.counters:
        before = last.get(entry.pod)
        if before is None or entry.hits < before.hits or entry.misses < before.misses:
            continue
        hits += entry.hits - before.hits
        misses += entry.misses - before.misses
        span = max(span, entry.at - before.at)
    if span < spacing:
        return state, False
    ratio = hits / (hits + misses) if hits + misses else None
    return replace(state, counters=samples.counters, misses=misses / span, hit_ratio=ratio), True


def _kept(state: ReaderState, now: float, law: ReaderLaw) -> ReaderState:
    """Add the look to the window; a gap as long as the window begins a new series of looks."""
    longest = max(law.out_sustain, law.in_sustain)
    past = tuple((at, misses) for at, misses in state.window if now - at <= longest)
    return replace(state, window=(*past, (now, state.misses)), series_since=state.series_since if past else now)


def _cache_seen(samples: ReaderSamples, state: ReaderState) -> ReaderState:
    """Notice a cache that lost its keys, and when it has them again."""
    cache = samples.cache
    if not isinstance(cache, CacheState):
        return state if cache is None else _cache_silent(samples, state)
    restarted = cache.uptime_seconds < state.uptime
    flushed = state.keys > 0 and cache.keys < state.keys * COLLAPSED
    cold = state.cold_since
    if cold is None and state.keys > 0 and (restarted or flushed):
        cold = samples.now
    elif cold is not None and (cache.keys >= state.keys * REFILLED or samples.now - cold > COLD_LIMIT):
        cold = None
    if cold is not None:  # looks at a cold cache say nothing about the readers, before or after
        return replace(state, uptime=cache.uptime_seconds, cold_since=cold, window=())
    return replace(state, uptime=cache.uptime_seconds, cold_since=None, keys=cache.keys)


def _cache_silent(samples: ReaderSamples, state: ReaderState) -> ReaderState:
    """Take a cache that was warm and does not answer for a cold one, since it will be: all reads miss it meanwhile."""
    if not state.keys:
        return state
    since = samples.now if state.cold_since is None else state.cold_since
    return replace(state, cold_since=since, window=() if samples.now - since <= COLD_LIMIT else state.window)


def _passed(now: float, at: float | None, seconds: float) -> bool:
    return at is None or now - at >= seconds
