"""The circuit breaker of a route: stop calling what fails or crawls, then try again carefully.

States: closed → open (the failure or slow ratio of a sliding window reached its limit, over a minimum volume) → half
open (a fixed number of probes, all of which must be well) → ramping (a share of calls that grows to all of them over
`open_for` seconds) → closed. One bad probe opens it again; while ramping the window's own rule does.

Calls that can wait (`admit_held`) do not sit out `open_for`: a few at a time scout an open circuit, since they would
have waited all the same, and one that is well makes it half open at once. Later, too, only so many are under way at a
time: as many as there are probes, one more after each quick answer, half as many after a slow or failed one (the slow
start of TCP, RFC 5681). So a crowd that has waited does not bury what has just come back.
Pure: `now` is a monotonic time in seconds, given by the caller.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import NamedTuple

SLICES = 10


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Limits as in the configuration file; times in seconds."""

    window: float = 10.0
    min_requests: int = 20
    failure_ratio: float = 0.5
    slow_call: float = 1.0
    slow_ratio: float = 0.8
    open_for: float = 5.0
    half_open_probes: int = 5


class State(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    RAMPING = "ramping"


@dataclass(frozen=True, slots=True)
class Refused:
    """The call may not be made; seconds after which another may."""

    retry_after: int


@dataclass(frozen=True, slots=True)
class Wait:
    """A held call may not be made yet; seconds until asking again helps, unless a result changes it before."""

    seconds: float


class Permit(NamedTuple):
    """Leave for one call, to be handed back with its result. Results of an earlier state are ignored."""

    generation: int
    held: bool = False
    """Whether it counts against the held calls under way."""


class Breaker:
    """The breaker of one route."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.state = State.CLOSED
        self._window = _Window(policy.window)
        self._generation = 0
        self._since = 0.0
        self._probes_left = 0
        self._probes_well = 0
        self._credit = 0.0
        self._held, self._held_most = 0, policy.half_open_probes
        self._scout_at = 0.0

    def admit(self, now: float) -> Permit | Refused:
        """Ask for a call."""
        self._pass_time(now)
        if self.state is State.OPEN:
            return Refused(max(1, ceil(self._since + self.policy.open_for - now)))
        if self.state is State.HALF_OPEN:
            if self._probes_left == 0:
                return Refused(1)
            self._probes_left -= 1
        if self.state is State.RAMPING and not self._ramp(now):
            return Refused(1)
        return Permit(self._generation)

    def admit_held(self, now: float) -> Permit | Wait:
        """Ask for a call that can wait."""
        self._pass_time(now)
        if self.state is State.HALF_OPEN:
            if self._probes_left == 0:
                return Wait(self.policy.open_for)
            self._probes_left -= 1
            return Permit(self._generation)
        if self._held >= self._held_most:
            return Wait(self._left(now) or self.policy.open_for)
        if self.state is State.OPEN:
            if now < self._scout_at:
                return Wait(min(self._scout_at - now, self._left(now)))
            self._scout_at = now + self.policy.slow_call
        self._held += 1
        return Permit(self._generation, held=True)

    def succeeded(self, permit: Permit, seconds: float, now: float) -> None:
        """Report a call that was answered, and how long the answer took to begin."""
        if permit.generation == self._generation and seconds < self.policy.slow_call / 2:
            self._held_most += permit.held
        self._report(permit, now, failed=False, slow=seconds >= self.policy.slow_call)

    def failed(self, permit: Permit, now: float) -> None:
        """Report a call that failed on the upstream's side."""
        self._report(permit, now, failed=True, slow=False)

    def abandoned(self, permit: Permit) -> None:
        """Hand back a permit whose call told nothing about the upstream (its client went away)."""
        if permit.generation != self._generation:
            return
        if permit.held:
            self._held -= 1
        elif self.state is State.HALF_OPEN:
            self._probes_left += 1

    def _report(self, permit: Permit, now: float, *, failed: bool, slow: bool) -> None:
        if permit.generation != self._generation:
            return
        if permit.held:
            self._held -= 1
            if failed or slow:
                self._held_most = max(self.policy.half_open_probes, self._held_most // 2)
        if self.state is State.HALF_OPEN:
            self._probed(now, failed=failed, slow=slow)
            return
        if self.state is State.OPEN:
            self._scouted(now, failed=failed, slow=slow)
            return
        self._window.add(now, failed=failed, slow=slow)
        total, failures, crawls = self._window.counts(now)
        if total < self.policy.min_requests:
            return
        if failures >= total * self.policy.failure_ratio or crawls >= total * self.policy.slow_ratio:
            self._open(now, failed=failed)

    def _scouted(self, now: float, *, failed: bool, slow: bool) -> None:
        if failed or slow:
            self._put_off_scouts(now, failed=failed)
            return
        self._half_open(now)
        self._probes_left -= 1
        self._probed(now, failed=False, slow=False)

    def _probed(self, now: float, *, failed: bool, slow: bool) -> None:
        if failed or slow:
            self._open(now, failed=failed)
            return
        self._probes_well += 1
        if self._probes_well == self.policy.half_open_probes:
            self._enter(State.RAMPING, now)
            self._credit = 0.0

    def _ramp(self, now: float) -> bool:
        self._credit += max((now - self._since) / self.policy.open_for, 1 / SLICES)
        if self._credit < 1:
            return False
        self._credit -= 1
        return True

    def _pass_time(self, now: float) -> None:
        if self._left(now) > 0:
            return
        if self.state is State.OPEN:
            self._half_open(now)
        elif self.state is State.RAMPING:
            self.state = State.CLOSED  # same generation: calls under way go on counting

    def _left(self, now: float) -> float:
        """Seconds that an open or ramping state has left."""
        return max(0.0, self._since + self.policy.open_for - now)

    def _open(self, now: float, *, failed: bool) -> None:
        self._enter(State.OPEN, now)
        self._put_off_scouts(now, failed=failed)

    def _put_off_scouts(self, now: float, *, failed: bool) -> None:
        # a late answer is one all the same: what kept it may have ended, which the next scout tells at once
        self._scout_at = now + self.policy.slow_call if failed else now

    def _half_open(self, now: float) -> None:
        self._enter(State.HALF_OPEN, now)
        self._probes_left, self._probes_well = self.policy.half_open_probes, 0

    def _enter(self, state: State, now: float) -> None:
        self.state, self._since = state, now
        self._generation += 1
        self._held, self._held_most = 0, self.policy.half_open_probes
        self._window = _Window(self.policy.window)


class _Window:
    """Counts of the last `seconds`, in ten slices: old calls leave a slice at a time, memory never grows."""

    def __init__(self, seconds: float) -> None:
        self._slice = seconds / SLICES
        self._counts: deque[tuple[int, list[int]]] = deque()
        self._total = [0, 0, 0]  # of all slices there are

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        at = int(now / self._slice)
        if not self._counts or self._counts[-1][0] < at:
            self._counts.append((at, [0, 0, 0]))
        for counts in (self._counts[-1][1], self._total):
            counts[0] += 1
            counts[1] += failed
            counts[2] += slow

    def counts(self, now: float) -> tuple[int, int, int]:
        """Return total, failed and slow calls of the window."""
        oldest = int(now / self._slice) - SLICES
        total = self._total
        while self._counts and self._counts[0][0] <= oldest:
            gone = self._counts.popleft()[1]
            total[0] -= gone[0]
            total[1] -= gone[1]
            total[2] -= gone[2]
        return total[0], total[1], total[2]
