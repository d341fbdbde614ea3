"""Workers follow the queue: as many as empty the present backlog within the longest wait the user accepts.

    desired = ceil(backlog / (rate * maxWait)),    backlog = ready + unacked,    rate = messages/s one replica finishes

`rate` is measured while the workers are saturated (messages are waiting), else it is the user's hint. Two floors keep
scale-in safe: as many as are busy now, and as many as the present arrivals keep busy. Scale-in takes the largest need
of the last `WINDOW` seconds; to zero it goes only when nothing is queued and nothing was published for `idleTimeout`.
Figures come from counters, never from the broker's own rates (it reports 3 messages as 740/s:
https://github.com/rabbitmq/rabbitmq-server/issues/8418).
"""

from dataclasses import dataclass, replace
from math import ceil, inf, isfinite
from typing import NamedTuple

from hcs_operator.api.observed import QueueFigures, Reason, Recommendation

WINDOW = 30.0
"""Seconds whose largest need scale-in obeys; also how long a restarted operator waits before it scales in."""
PRIOR_RATE = 10.0
"""Messages/s one replica is taken to finish before anything was measured or hinted."""
_SMOOTHING = 0.3
_NOISE = 0.1
"""Share of a worker's rate below which arrivals keep none busy: a smoothed rate never quite reaches zero."""
_STEP = 2.0
"""One measurement moves the rate by at most this factor."""
_SHORTEST = 1.0
"""Seconds between two samples below which a rate is not computed."""


@dataclass(frozen=True)
class WorkerLaw:
    """The user's part: bounds, longest wait and idle time in seconds, hinted rate in messages/s."""

    minimum: int
    maximum: int
    max_wait: float
    rate_hint: float | None
    idle_timeout: float


@dataclass(frozen=True)
class WorkerSamples:
    """One look: `busy` workers have tasks in flight or did not say; `queue` is a Reason when there are no figures."""

    now: float
    current: int
    ready: int
    busy: int
    queue: QueueFigures | Reason | None


class Limit(NamedTuple):
    """What held the count back, as it was last told."""

    desired: int
    word: str | None
    at: float
    """When it last held."""


@dataclass(frozen=True)
class WorkerState:
    """The law's memory between two looks."""

    since: float
    figures: QueueFigures | None = None
    rate: float | None = None
    arrivals: float = 0.0
    quiet_since: float | None = None
    needs: tuple[tuple[float, int], ...] = ()
    """(when, need) of the last WINDOW seconds."""
    limit: Limit | None = None
    wait: float | None = None
    """Seconds until the present workers have emptied the backlog; inf without workers, None while nothing is seen."""
    measured_at: float | None = None
    """When the queue's figures were last read."""


def decide(samples: WorkerSamples, state: WorkerState | None, law: WorkerLaw) -> Recommendation:
    """Return the count of workers, with its numbers in words."""
    state = state or WorkerState(since=samples.now)
    if not isinstance(samples.queue, QueueFigures):
        why = samples.queue or Reason("NoQueue", "there is no queue yet")
        held = Reason("QueueUnseen", f"holds {samples.current}: {why.message}")
        return Recommendation(samples.current, held, "QueueUnseen", replace(state, figures=None, wait=None))
    state = _measured(samples, samples.queue, state)
    figures, rate = samples.queue, state.rate or law.rate_hint or PRIOR_RATE
    backlog = figures.ready + figures.unacked
    wait = _wait(backlog, rate, samples.current)
    need = ceil(backlog / (rate * law.max_wait))
    recent = tuple((at, count) for at, count in state.needs if samples.now - at <= WINDOW)
    state = replace(state, needs=(*recent, (samples.now, need)), wait=wait, measured_at=figures.at)
    kept_busy = ceil(state.arrivals / rate - _NOISE)
    wanted, limited = _bounded(samples, state, law, need, kept_busy, idle=backlog == 0)
    limit = _told(Limit(wanted, limited, samples.now), state.limit)
    state = replace(state, limit=limit)
    numbers = (
        f"backlog {backlog}, {state.arrivals:.1f} msg/s in, {rate:.1f} msg/s per worker, "
        f"wait {f'{wait:.0f} s' if isfinite(wait) else 'without end'} of {law.max_wait:g} s allowed"
    )
    arrow = f"{samples.current} -> {wanted}: " if wanted != samples.current else f"holds {wanted}: "
    word = "Backlog" if wanted > samples.current else "BacklogFalling" if wanted < samples.current else "Steady"
    return Recommendation(wanted, Reason(word, arrow + numbers), limit.word, state)


def _told(found: Limit, before: Limit | None) -> Limit:
    """Keep a word that held within the last WINDOW, as long as the count is the same.

    A trickle of messages is seen now as a backlog, now as one just gone, now only as arrivals: three reasons for one
    worker, each of which would be a write of the status.
    """
    lapsed = before is None or before.desired != found.desired or found.at - before.at >= WINDOW
    return found if lapsed or before is None or before.word == found.word else before


def _bounded(
    samples: WorkerSamples, state: WorkerState, law: WorkerLaw, need: int, kept_busy: int, *, idle: bool
) -> tuple[int, str | None]:
    """Apply floors, the scale-in window and the user's bounds; return the count and what held it back."""
    wanted, limited = need, None
    if wanted < law.minimum:
        wanted, limited = law.minimum, "MinReplicas"
    if wanted > law.maximum:
        return law.maximum, "MaxReplicas"
    if wanted >= samples.current:
        return wanted, limited
    recent = max(count for _, count in state.needs)
    quiet = idle and state.quiet_since is not None and samples.now - state.quiet_since >= law.idle_timeout
    floors = (  # of two alike the first is told
        (0 if quiet else 1, "IdleTimeout"),
        (samples.current if samples.now - state.since < WINDOW else 0, "JustStarted"),
        (samples.busy, "BusyWorkers"),
        (recent, "RecentNeed"),
        (kept_busy, "Arrivals"),
    )
    floor, word = max(floors, key=lambda entry: entry[0])
    if floor > wanted:
        wanted, limited = floor, word
    return min(wanted, samples.current, law.maximum), limited


def _measured(samples: WorkerSamples, figures: QueueFigures, state: WorkerState) -> WorkerState:
    """Update arrivals, rate and quiet time from the counters; one that fell means the broker restarted."""
    last = state.figures
    empty = figures.ready == 0 and figures.unacked == 0
    quiet_since = state.quiet_since if empty else None
    if last is None or figures.published < last.published or figures.acked < last.acked:
        return replace(state, figures=figures, quiet_since=samples.now if empty else None)
    span = figures.at - last.at
    if span < _SHORTEST:
        return state
    if figures.published > last.published:
        quiet_since = None
    if empty and quiet_since is None:
        quiet_since = figures.at
    arrivals = (figures.published - last.published) / span
    smoothed = state.arrivals + _SMOOTHING * (arrivals - state.arrivals)
    rate = state.rate
    if figures.ready > 0 and last.ready > 0 and samples.ready > 0 and figures.acked > last.acked:
        measured = (figures.acked - last.acked) / span / samples.ready
        known = rate or measured
        rate = min(max(known + _SMOOTHING * (measured - known), known / _STEP), known * _STEP)
    return replace(state, figures=figures, rate=rate, arrivals=smoothed, quiet_since=quiet_since)


def _wait(backlog: int, rate: float, current: int) -> float:
    return backlog / (rate * current) if current else inf if backlog else 0.0
