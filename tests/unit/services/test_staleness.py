"""How old a replica's answer may be, whatever the times: the promises that users and operators are given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hcs_services.database.staleness import (
    OUTAGE_AFTER_SECONDS,
    Bounds,
    Sight,
    lag,
    outage_seconds,
    serves,
    stamp,
    unseen,
)

BEAT = datetime(2026, 11, 23, 20, 0)  # noqa: DTZ001 - as the database gives it
BEAT_UNIX = BEAT.replace(tzinfo=UTC).timestamp()
seconds = st.floats(min_value=0, max_value=1e6)
bounds = st.builds(Bounds, max_lag=st.floats(min_value=1, max_value=1e4), max_staleness=seconds)


@given(seconds, seconds, bounds)
def test_no_answer_is_further_behind_than_the_largest_lag(behind: float, silence: float, bound: Bounds) -> None:
    assert not serves(behind, silence, bound) or behind <= bound.max_lag


@given(seconds, seconds, bounds)
def test_no_answer_of_an_outage_is_older_than_the_longest_staleness(
    behind: float, silence: float, bound: Bounds
) -> None:
    out = outage_seconds(silence, bound) > 0
    assert not (out and serves(behind, silence, bound)) or behind + silence <= bound.max_staleness


@given(seconds, seconds, bounds)
def test_within_both_bounds_a_replica_serves(behind: float, silence: float, bound: Bounds) -> None:
    within = behind <= bound.max_lag and behind + silence <= bound.max_staleness
    assert not within or serves(behind, silence, bound)


@given(seconds, seconds, seconds, bounds)
def test_who_is_refused_is_refused_for_as_long_as_the_silence_lasts(
    behind: float, silence: float, more: float, bound: Bounds
) -> None:
    assert serves(behind, silence, bound) or not serves(behind, silence + more, bound)


@given(seconds, bounds)
def test_an_age_that_is_not_known_within_the_largest_lag_is_said(silence: float, bound: Bounds) -> None:
    told = outage_seconds(silence, bound)
    assert told in {0, silence}
    assert told == silence or silence <= min(bound.max_lag, OUTAGE_AFTER_SECONDS)


@given(seconds, seconds)
def test_a_first_sight_is_dated_by_the_newest_heartbeat_and_never_lies_ahead(age: float, since_begin: float) -> None:
    now = Sight(5e6, 2e9)
    began = Sight(now.at - since_begin, now.unix - since_begin)
    found = unseen(BEAT + timedelta(seconds=now.unix - age - BEAT_UNIX), began, now)
    assert abs((now.at - found.at) - age) < 0.01
    assert found.at <= now.at
    assert unseen(None, began, now) == began


def test_a_heartbeat_ahead_of_this_machines_clock_is_of_now() -> None:
    now = Sight(100.0, BEAT_UNIX)
    assert unseen(BEAT + timedelta(seconds=9), Sight(0.0, 0.0), now) == now


def test_lag_is_counted_between_heartbeats_and_never_below_nought() -> None:
    assert (lag(BEAT, BEAT + timedelta(seconds=3)), lag(BEAT + timedelta(seconds=1), BEAT)) == (3, 0)


def test_a_replica_without_a_heartbeat_is_infinitely_behind() -> None:
    assert lag(None, BEAT) == lag(BEAT, None) == float("inf")


def test_the_age_is_frozen_up_to_the_bound_and_not_beyond() -> None:
    bound = Bounds(5, 60)
    assert [serves(2, silence, bound) for silence in (0, 5, 58, 59)] == [True, True, True, False]


def test_no_staleness_allowed_means_none_once_an_outage_is_told() -> None:
    bound = Bounds(5, 0)
    assert [serves(0, silence, bound) for silence in (0, 5, 5.1)] == [True, True, False]


def test_times_are_told_in_whole_seconds() -> None:
    assert stamp(BEAT_UNIX + 0.9) == "2026-11-23T20:00:00Z"
