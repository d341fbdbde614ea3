"""The clocks of a connection tell the time that a timer for each part and each rest would tell."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.http_clocks import PartClock, RestClock

pytestmark = pytest.mark.unit
SECONDS = 10.0


@dataclass(eq=False)
class Timer:
    """What `call_later` returns."""

    at: float
    act: Callable[[], None] | None

    def cancel(self) -> None:
        self.act = None


@dataclass
class Loop:
    """A loop whose time passes when the test says so."""

    now: float = 0.0
    timers: list[Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, act: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + seconds, act))
        return self.timers[-1]

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [timer for timer in self.timers if timer.act and timer.at <= until]:
            timer = min(due, key=lambda each: each.at)
            self.now, act, timer.act = max(self.now, timer.at), timer.act, None
            cast("Callable[[], None]", act)()
        self.now = until


class PlainPart:
    """A timer for each part."""

    def __init__(self, loop: Any, late: Callable[[], None]) -> None:
        self._loop, self._late = loop, late
        self._timer: Timer | None = None

    def begin(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(seconds, self._due)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def settle(self) -> None:
        pass

    def _due(self) -> None:
        self._timer = None
        self._late()


class PlainRest(PlainPart):
    """A timer for each rest."""

    def __init__(self, loop: Any, seconds: float, over: Callable[[], None]) -> None:
        super().__init__(loop, over)
        self._seconds = seconds

    def begin(self, _seconds: float = 0) -> None:
        super().begin(self._seconds)


def told(clock: Callable[[Loop, Callable[[], None]], Any], steps: list[Any]) -> list[float]:
    """When the clock calls; a number is time that passes, after a read is over."""
    loop, times = Loop(), list[float]()
    each = clock(loop, lambda: times.append(loop.now))
    for step in steps:
        if isinstance(step, float):
            each.settle() if hasattr(each, "settle") else None
            loop.pass_time(step)
        else:
            step(each)
    return times


PASSING = st.sampled_from([0.0, 1.0, 4.0, 9.0, 10.0, 35.0])


@given(
    st.lists(
        st.one_of(
            PASSING,
            st.sampled_from([lambda c: c.begin(10.0), lambda c: c.begin(30.0), lambda c: c.end()]),
        ),
        max_size=12,
    )
)
def test_a_part_is_late_when_a_timer_of_its_own_would_be_due(steps: list[Any]) -> None:
    assert told(PlainPart, [*steps, 100.0]) == told(cast("Any", PartClock), [*steps, 100.0])


@given(st.lists(PASSING | st.sampled_from([lambda c: c.begin(), lambda c: c.end()]), max_size=12))
def test_a_rest_is_over_when_a_timer_of_its_own_would_be_due(steps: list[Any]) -> None:
    plain = told(lambda loop, over: PlainRest(loop, SECONDS, over), [*steps, 100.0])
    assert plain[:1] == told(lambda loop, over: RestClock(cast("Any", loop), SECONDS, over), [*steps, 100.0])[:1]


def test_a_part_that_is_there_with_the_read_that_began_it_sets_no_timer() -> None:
    loop = Loop()
    clock = PartClock(cast("Any", loop), lambda: None)

    for _ in range(3):
        clock.begin(10.0)
        clock.end()
        clock.settle()

    assert loop.timers == []


def test_one_timer_serves_for_all_rests() -> None:
    loop = Loop()
    clock = RestClock(cast("Any", loop), SECONDS, lambda: None)

    for _ in range(9):
        clock.begin()
        loop.pass_time(1.0)
        clock.end()

    assert len(loop.timers) == 1


def test_a_stopped_clock_calls_nobody_and_holds_nobody() -> None:
    class Owner:
        def __init__(self, loop: Any) -> None:
            self.called = False
            self.part, self.rest = PartClock(loop, self.call), RestClock(loop, SECONDS, self.call)

        def call(self) -> None:
            self.called = True

    loop = Loop()
    owner = Owner(loop)
    owner.part.begin(10.0)
    owner.part.settle()
    owner.rest.begin()
    owner.part.stop()
    owner.rest.stop()
    loop.pass_time(100.0)
    assert not owner.called
    gone = weakref.ref(owner)
    gc.disable()
    try:
        del owner
        assert gone() is None
    finally:
        gc.enable()
