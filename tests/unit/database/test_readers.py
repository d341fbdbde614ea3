"""Readers: provisioned, judged, repaired, drained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.database.views import (
    CHANNEL,
    EMPTY,
    FOLLOWING,
    FOUNDED,
    GROUP,
    NOW,
    OTHER_GROUP,
    PRIMARY,
    READER,
    WITH_GROUP,
    behind,
    eligible,
    member,
    planned,
    reader,
    view,
)

from hcs_operator.api.database import READ_LABEL, ROLE_LABEL, CloneState, Facts, Heartbeat
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import Clone, Close, Follow, Quiesce, Resume

pytestmark = pytest.mark.unit


def test_an_empty_reader_is_cloned_from_the_primary_when_there_is_nobody_else() -> None:
    (step,) = planned(reader(EMPTY)).steps
    assert isinstance(step, Clone)
    assert (step.recipient.name, step.donor.name) == (READER, "shop-db-0-0")


def test_a_reader_is_rather_cloned_from_the_least_loaded_reader() -> None:
    busy = reader(replace(FOLLOWING, busy_reads=9), 0)
    (step,) = planned(busy, reader(replace(FOLLOWING, busy_reads=1), 1), reader(EMPTY, 2)).steps
    assert isinstance(step, Clone)
    assert step.donor.name == "shop-replica-0-1"


def test_a_reader_that_holds_what_the_primary_lacks_is_no_donor() -> None:
    strayed = replace(FOLLOWING, gtid_executed=f"{FOLLOWING.gtid_executed},{OTHER_GROUP}:1-3")
    steps = planned(reader(strayed, 0), reader(EMPTY, 1), previous=eligible(READER)).steps
    (step,) = (step for step in steps if isinstance(step, Clone))
    assert step.donor.name == "shop-db-0-0"


def test_a_reader_is_rather_cloned_from_a_secondary_than_from_the_primary() -> None:
    group = replace(PRIMARY.group, online=2, total=2)
    secondary = replace(WITH_GROUP, group=replace(group, role="SECONDARY"))
    seen = view(member(replace(PRIMARY, group=group)), member(secondary, 1), reader(EMPTY))
    (step,) = plan(seen, previous=FOUNDED, journal=None, now=NOW).steps
    assert isinstance(step, Clone)
    assert step.donor.name == "shop-db-0-1"


def test_one_reader_is_cloned_at_a_time() -> None:
    steps = planned(reader(EMPTY, 0), reader(EMPTY, 1)).steps
    assert [step.recipient.name for step in steps if isinstance(step, Clone)] == [READER]


def test_a_running_clone_is_left_alone_and_journalled() -> None:
    cloning = replace(EMPTY, clone=CloneState("In Progress", "", None))
    found = planned(reader(cloning, 0), reader(EMPTY, 1))
    assert found.steps == ()
    assert found.journal
    assert (found.journal["operation"], found.journal["instance"]) == ("CloneReader", READER)


def test_a_failed_clone_is_repeated_after_a_while() -> None:
    assert planned(reader(replace(EMPTY, clone=CloneState("Failed", "network", 5.0)))).steps == ()
    (step,) = planned(reader(replace(EMPTY, clone=CloneState("Failed", "network", 31.0)))).steps
    assert isinstance(step, Clone)


@pytest.mark.parametrize(
    "channel",
    [None, replace(CHANNEL, owned=False), replace(CHANNEL, managed_group=OTHER_GROUP)],
    ids=["none", "carried over by a clone", "of another group"],
)
def test_a_copy_without_a_channel_of_its_own_is_given_one(channel: Any) -> None:
    (step,) = planned(reader(replace(FOLLOWING, channel=channel))).steps
    assert isinstance(step, Follow)
    assert (step.source.name, step.group_name) == ("shop-db-0-0", GROUP)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"receiving": "OFF"}, Resume),
        ({"applying": False}, Resume),
        ({"receiving": "CONNECTING", "error_number": 1045}, Follow),
        ({"receiving": "CONNECTING", "error_number": 2003}, None),
        ({"receiving": "CONNECTING"}, None),
        ({}, None),
    ],
)
def test_a_channel_is_helped_only_where_the_engine_does_not_help_itself(change: dict[str, Any], expected: Any) -> None:
    steps = planned(reader(replace(FOLLOWING, channel=replace(CHANNEL, **change)))).steps
    assert [type(step) for step in steps] == ([expected] if expected else [])


def test_a_reader_left_open_to_writes_is_closed() -> None:
    (step,) = planned(reader(replace(FOLLOWING, super_read_only=False))).steps
    assert isinstance(step, Close)


def test_a_reader_that_is_open_for_a_step_of_its_agent_is_left_open() -> None:
    assert planned(reader(replace(FOLLOWING, super_read_only=False, opened=True))).steps == ()


@pytest.mark.parametrize("number", [1236, 13114])
@pytest.mark.parametrize("purged", ["", f"{GROUP}:1-15"], ids=["its source says that it has them", "purged"])
def test_a_reader_whose_binary_logs_are_gone_is_cloned_over_data_that_the_primary_has(number: int, purged: str) -> None:
    stuck = replace(CHANNEL, receiving="OFF", error_number=number)
    source = replace(PRIMARY, gtid_executed=f"{GROUP}:1-20", gtid_purged=purged)
    (step,) = planned(reader(replace(FOLLOWING, channel=stuck)), primary=source).steps
    assert isinstance(step, Clone)


def test_a_reader_whose_binary_logs_are_gone_goes_to_a_member_that_still_has_them() -> None:
    stuck = replace(CHANNEL, receiving="OFF", error_number=13114)
    group = replace(PRIMARY.group, online=3, total=3)
    primary = replace(PRIMARY, group=group, gtid_executed=f"{GROUP}:1-20", gtid_purged=f"{GROUP}:1-15")
    purged = replace(primary, super_read_only=True, group=replace(group, role="SECONDARY"))
    whole = replace(purged, gtid_purged=f"{GROUP}:1-10")
    seen = view(member(primary), member(purged, 1), member(whole, 2), reader(replace(FOLLOWING, channel=stuck)))
    steps = plan(seen, previous=FOUNDED, journal=None, now=NOW).steps
    (step,) = (step for step in steps if isinstance(step, Follow))
    assert step.source.name == "shop-db-0-2"


def test_what_the_new_primary_has_received_and_not_yet_applied_is_no_transaction_of_a_readers_own() -> None:
    applying = replace(PRIMARY, received=f"{GROUP}:11-20")
    found = planned(reader(replace(FOLLOWING, gtid_executed=f"{GROUP}:1-20")), primary=applying)
    assert found.problem is None
    assert found.readers_ready == 1


def test_a_reader_that_cannot_apply_is_named_and_left_alone() -> None:
    broken = replace(CHANNEL, applying=False, error_number=1062, error="Duplicate entry '7' for key 'PRIMARY'")
    found = planned(reader(replace(FOLLOWING, channel=broken)))
    assert found.steps == ()
    assert found.problem
    assert found.problem.word == "ReaderBroken"


def test_nothing_is_done_to_readers_while_no_primary_is_known() -> None:
    found = plan(
        view(member(WITH_GROUP), reader(EMPTY), reader(replace(FOLLOWING, channel=None), 1)),
        previous=FOUNDED,
        journal=None,
        now=NOW,
    )
    assert found.steps == ()


@pytest.mark.parametrize(
    ("seconds", "before", "serves"),
    [(0.0, False, True), (1.9, False, True), (2.1, False, False), (3.9, True, True), (4.1, True, False)],
)
def test_a_reader_enters_at_half_the_lag_at_which_it_leaves(seconds: float, before: bool, serves: bool) -> None:
    found = planned(reader(behind(seconds)), previous=eligible(READER) if before else {})
    assert (found.readers_ready == 1) is serves
    assert (found.labels[READER][READ_LABEL] == "eligible") is serves
    assert found.lags[READER] == pytest.approx(seconds)


def test_lag_is_the_appliers_own_when_the_heartbeat_stands_still() -> None:
    silent = replace(PRIMARY, heartbeat=Heartbeat(NOW - 900, 900.0))
    old = Heartbeat(NOW - 900, 900.0)
    fresh = replace(FOLLOWING, heartbeat=old)
    slow = replace(FOLLOWING, heartbeat=old, channel=replace(CHANNEL, applying_seconds=8.0))
    stopped = replace(FOLLOWING, heartbeat=old, channel=replace(CHANNEL, receiving="OFF"))
    assert planned(reader(fresh), primary=silent).readers_ready == 1
    assert planned(reader(slow), primary=silent).readers_ready == 0
    assert planned(reader(stopped), primary=silent).readers_ready == 0


def test_a_reader_serves_before_the_heartbeat_table_exists() -> None:
    found = planned(reader(replace(FOLLOWING, heartbeat=None)), primary=replace(PRIMARY, heartbeat=None))
    assert found.readers_ready == 1


def test_while_no_primary_is_known_what_served_goes_on_serving() -> None:
    seen = view(member(None), reader(behind(99.0)), reader(FOLLOWING, 1))
    found = plan(seen, previous={**FOUNDED, **eligible(READER)}, journal=None, now=NOW)
    assert found.labels[READER][READ_LABEL] == "eligible"
    assert found.labels["shop-replica-0-1"][READ_LABEL] is None
    assert found.replication
    assert found.replication.word == "NoPrimary"


def test_a_copy_serves_nobody_before_it_has_a_channel_of_its_own() -> None:
    copied = replace(FOLLOWING, channel=replace(CHANNEL, owned=False))
    assert planned(reader(copied), previous=eligible(READER)).readers_ready == 0
    assert planned(reader(FOLLOWING), previous=eligible(READER)).readers_ready == 1


def test_a_silent_reader_does_not_serve() -> None:
    found = planned(reader(None), previous=eligible(READER))
    assert found.readers_ready == 0
    assert found.status["instances"][1]["state"] == "Unreachable"


def test_the_primary_is_labelled() -> None:
    assert planned().labels["shop-db-0-0"] == {ROLE_LABEL: "primary", READ_LABEL: None}


def test_at_rest_nothing_is_to_be_done_or_said() -> None:
    found = planned(reader(FOLLOWING))
    assert (found.steps, found.journal, found.problem, found.replication) == ((), None, None, None)


def leaving(facts: Facts | None, **options: Any) -> DatabasePlan:
    return planned(reader(FOLLOWING, 0), reader(facts, 1), leaving=frozenset({"shop-replica-0-1"}), **options)


STOPPED = replace(FOLLOWING, channel=replace(CHANNEL, receiving="OFF", applying=False))
JOURNAL = {"operation": "DrainReader", "instance": "shop-replica-0-1", "step": "", "startedAt": "2026-09-21T13:46:00Z"}
START = 1789998360.0


def test_a_leaving_reader_is_unlabelled_and_its_replication_stopped() -> None:
    found = leaving(FOLLOWING)
    (step,) = found.steps
    assert isinstance(step, Quiesce)
    assert found.labels["shop-replica-0-1"][READ_LABEL] is None
    assert found.drained == frozenset()
    assert found.journal
    assert found.journal["operation"] == "DrainReader"


@pytest.mark.parametrize(
    ("busy", "waited", "gone"),
    [(0, 3.0, False), (0, 4.5, True), (2, 4.5, False), (2, 60.0, True)],
    ids=["services still leave", "nobody reads", "somebody reads", "timed out"],
)
def test_a_leaving_reader_is_drained_when_nobody_reads_or_the_time_is_over(
    busy: int,
    waited: float,
    gone: bool,
) -> None:
    found = leaving(replace(STOPPED, busy_reads=busy), journal=JOURNAL, now=START + waited)
    assert (found.drained == frozenset({"shop-replica-0-1"})) is gone


def test_the_start_of_a_drain_outlives_the_operator() -> None:
    first = leaving(STOPPED, now=START)
    assert first.journal == {**JOURNAL, "step": "the services are leaving it"}
    later = leaving(STOPPED, journal=first.journal, now=START + 3)
    assert later.journal
    assert later.journal["startedAt"] == JOURNAL["startedAt"]


def test_one_whose_pod_is_long_in_going_takes_no_time_from_the_next_that_is_to_leave() -> None:
    """On a node that is lost a pod is Terminating until somebody removes the node."""
    going, second = reader(STOPPED, 2), reader(STOPPED, 1)
    options: dict[str, Any] = {
        "leaving": frozenset({"shop-replica-0-1"}),
        "gone": frozenset({"shop-replica-0-2"}),
    }
    first = planned(reader(FOLLOWING), second, going, now=START, **options)
    assert first.journal
    assert first.journal["instance"] == "shop-replica-0-1"
    later = planned(reader(FOLLOWING), second, going, journal=first.journal, now=START + 4.5, **options)
    assert later.drained == options["leaving"]


def test_one_whose_pod_is_still_going_stays_drained_and_leaves_the_journal_to_others() -> None:
    found = planned(reader(FOLLOWING), reader(STOPPED, 1), gone=frozenset({"shop-replica-0-1"}))
    assert (found.steps, found.journal) == ((), None)


@pytest.mark.parametrize(
    ("ready", "waited", "gone"),
    [(True, 0.0, False), (True, 59.0, False), (True, 60.0, True), (False, 0.0, True)],
    ids=["one silent look", "silent for long", "timed out", "its pod is not ready"],
)
def test_a_silent_reader_goes_when_its_pod_is_silent_too_or_the_time_is_over(
    ready: bool, waited: float, gone: bool
) -> None:
    seen = reader(None, 1, ready=ready)
    leaves = frozenset({"shop-replica-0-1"})
    found = planned(reader(FOLLOWING, 0), seen, leaving=leaves, journal=JOURNAL, now=START + waited)
    assert (found.drained == leaves) is gone


def test_a_reader_that_may_stay_after_all_is_resumed() -> None:
    (step,) = planned(reader(STOPPED, 1)).steps
    assert isinstance(step, Resume)
