"""Readers while no primary is known: for how long they serve."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.database.views import (
    FOLLOWING,
    FOUNDED,
    NOW,
    READER,
    eligible,
    member,
    planned,
    reader,
    view,
)

from hcs_operator.api.database import READ_LABEL, Heartbeat, InstanceView
from hcs_operator.api.times import stamp
from hcs_operator.decide.database import verdicts
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan

pytestmark = pytest.mark.unit


def unled(*readers: InstanceView, for_seconds: float) -> DatabasePlan:
    """A look without a primary, so many seconds after the first one; the readers served before."""
    since = {"lastPrimary": "shop-db-0-0", "noPrimarySince": stamp(NOW - for_seconds)}
    previous = {**FOUNDED, **eligible(*(it.instance.name for it in readers)), **since}
    return plan(view(member(None), *readers), previous=previous, journal=None, now=NOW)


BEATLESS = replace(FOLLOWING, heartbeat=Heartbeat(NOW - 900, 900.0))


@pytest.mark.parametrize(("seconds", "serves"), [(0.0, True), (60.0, True), (61.0, False)])
def test_without_a_primary_readers_serve_for_the_longest_staleness(seconds: float, serves: bool) -> None:
    found = unled(reader(BEATLESS), for_seconds=seconds)
    assert (found.labels[READER][READ_LABEL] == "eligible") is serves
    assert found.status["instances"][1]["readEligible"] is serves
    assert found.readers_ready == serves


def test_a_reader_that_the_heartbeat_still_reaches_serves_on_though_no_primary_is_seen() -> None:
    found = unled(reader(FOLLOWING, 0), reader(BEATLESS, 1), for_seconds=600.0)
    assert [found.labels[f"shop-replica-0-{it}"][READ_LABEL] for it in (0, 1)] == ["eligible", None]


@given(
    before=st.booleans(),
    unled=st.floats(min_value=0, max_value=1e6),
    age=st.none() | st.floats(min_value=0, max_value=1e6),
    longest=st.floats(min_value=0, max_value=1e6),
)
def test_without_a_primary_a_reader_serves_who_did_and_is_young_enough_or_reached_by_the_heartbeat(
    before: bool, unled: float, age: float | None, longest: float
) -> None:
    beat = None if age is None else Heartbeat(NOW - age, age)
    it = reader(replace(FOLLOWING, heartbeat=beat))
    found = verdicts.eligible(it, None, view(it, max_staleness=longest), {"readEligible": before}, unled)
    reached = age is not None and age < verdicts.HEARTBEAT_STOPPED
    assert found == verdicts.Verdict(eligible=before and (unled <= longest or reached), lag=None)


def test_a_heartbeat_alone_makes_no_reader_serve_without_a_primary() -> None:
    found = plan(view(member(None), reader(FOLLOWING)), previous=FOUNDED, journal=None, now=NOW)
    assert found.labels[READER][READ_LABEL] is None


def test_it_is_told_until_when_readers_serve_without_a_primary_and_that_they_no_longer_do() -> None:
    serving, over = (unled(reader(BEATLESS), for_seconds=seconds).replication for seconds in (20.0, 61.0))
    assert serving
    assert over
    assert (serving.word, over.word) == ("NoPrimary", "NoPrimary")
    assert f"since {stamp(NOW - 20)}; readers serve what they have until {stamp(NOW + 40)}" in serving.message
    assert f"No reader serves: there has been no primary since {stamp(NOW - 61)}, and without one they do for 60 s" in (
        over.message
    )


def test_a_reader_whose_outage_was_too_long_serves_again_with_a_primary() -> None:
    over = unled(reader(BEATLESS), for_seconds=61.0)
    assert planned(reader(FOLLOWING), previous={**over.status}).readers_ready == 1
