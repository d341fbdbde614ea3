"""What ReadsAvailable says of reads without a primary."""

from dataclasses import replace

import pytest
from tests.unit.status.seen import (
    NOW,
    failed,
    outlook,
    passed,
    snapshot,
    verdicts,
)

from hcs_operator.api.observed import Selftest
from hcs_operator.status.facts import Verdict


def reads(*tests: Selftest) -> Verdict:
    return verdicts(outlook(snapshot(selftests={**snapshot().selftests, "read-api": tests})))["ReadsAvailable"]


FROZEN = {"frozen_since": NOW - 20, "frozen_until": NOW + 40}


def test_reads_without_a_primary_say_of_when_they_are_and_how_long_they_last() -> None:
    found = reads(passed("read-api", "a", **FROZEN), passed("read-api", "b", frozen_since=NOW - 21, frozen_until=NOW))
    assert (found.status, found.reason) == ("True", "StaleReads")
    assert found.message == (
        "Orders and products can be read; replicas serve what they had at 2027-01-15T07:59:39Z, when a primary was "
        "seen last, until 2027-01-15T08:00:00Z."
    )


def test_one_pod_that_alone_sees_no_primary_is_named() -> None:
    found = reads(passed("read-api", "a"), passed("read-api", "b", **FROZEN))
    assert (found.status, found.reason) == ("True", "SelftestPassed")
    assert "at shop-read-api-b replicas serve what they had at 2027-01-15T07:59:40Z" in found.message


def test_a_pod_that_fails_beside_stale_ones_is_named_too() -> None:
    found = reads(passed("read-api", "a", **FROZEN), failed("read-api", message="it lags"))
    assert found.reason == "StaleReads"
    assert "it lags; replicas serve what they had" in found.message


def test_reads_that_fail_are_not_called_stale() -> None:
    test = replace(failed("read-api", "ReadersTooOld", "too old"), data=FROZEN)
    assert reads(test) == Verdict("False", "ReadersTooOld", "read-api fails its own test: too old.")


@pytest.mark.parametrize(
    "data",
    [
        {"frozen_since": NOW},
        {"frozen_since": float("nan"), "frozen_until": NOW},
        {"frozen_since": NOW, "frozen_until": float("inf")},
        {"frozen_since": NOW, "frozen_until": 1e300},
        {"frozen_since": NOW, "frozen_until": NOW - 1},
        {"frozen_since": -1e300, "frozen_until": NOW},
    ],
)
def test_times_that_no_clock_shows_are_passed_over(data: dict[str, float]) -> None:
    assert reads(replace(passed("read-api"), data=data)).reason == "SelftestPassed"
