"""Writes that the group slows for the sake of a member with too much to apply are told, with whose sake it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.database.views import FOUNDED, NOW, OTHER_GROUP, PRIMARY, member, view

from hcs_operator.api.database import Facts, InstanceView, MemberGroup
from hcs_operator.api.observed import Reason
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan

pytestmark = pytest.mark.unit

BOUND = 500
LEADS = replace(PRIMARY, applier_bound=BOUND, group=replace(PRIMARY.group, online=3, total=3))
FOLLOWS = replace(LEADS, super_read_only=True, group=replace(LEADS.group, role="SECONDARY"))


def queued(count: int, facts: Facts = FOLLOWS) -> Facts:
    return replace(facts, applier_queue=count)


def looked(*instances: InstanceView, before: DatabasePlan | None = None) -> DatabasePlan:
    previous: dict[str, Any] = {**FOUNDED, **(before.status if before else {})}
    return plan(view(*instances, members_wanted=3), previous=previous, journal=None, now=NOW)


def group(count: int, before: DatabasePlan | None = None) -> DatabasePlan:
    return looked(member(LEADS), member(queued(count), 1), member(FOLLOWS, 2), before=before)


def lagging(found: DatabasePlan) -> list[str]:
    return [it["name"] for it in found.status["instances"] if it["lagging"]]


def test_a_member_with_more_to_apply_than_the_bound_slows_the_writes_and_is_named() -> None:
    found = group(BOUND + 1)
    assert found.replication == Reason(
        "WritesThrottled",
        "Writes are slowed to what shop-db-0-1 can apply: more than 500 transactions wait there, and whoever comes to "
        "lead has to apply what waits before it answers.",
    )
    assert lagging(found) == ["shop-db-0-1"]


def test_up_to_the_bound_nothing_is_slowed() -> None:
    found = group(BOUND)
    assert found.replication is None
    assert lagging(found) == []


def test_a_queue_that_swings_about_the_bound_turns_no_condition_at_each_look() -> None:
    slowed = group(BOUND + 1)
    assert group(BOUND - 50, before=slowed).replication == slowed.replication
    assert group(BOUND // 2, before=slowed).replication is None
    assert group(BOUND - 50, before=group(BOUND // 2, before=slowed)).replication is None


def test_one_look_after_another_with_a_longer_queue_says_the_same() -> None:
    slowed = group(BOUND + 1)
    assert group(40 * BOUND, before=slowed).status == slowed.status
    assert group(40 * BOUND, before=slowed).replication == slowed.replication


def test_a_joiner_that_catches_up_slows_the_writes_as_well() -> None:
    joiner = replace(queued(BOUND + 1), group=replace(FOLLOWS.group, state="RECOVERING"))
    assert lagging(looked(member(LEADS), member(joiner, 1))) == ["shop-db-0-1"]


def test_a_new_primary_that_applies_what_it_had_received_is_told_too() -> None:
    found = looked(member(queued(BOUND + 1, LEADS)), member(FOLLOWS, 1))
    assert lagging(found) == ["shop-db-0-0"]


@pytest.mark.parametrize(
    "facts",
    [
        replace(queued(40 * BOUND), group=replace(FOLLOWS.group, state="ERROR")),
        replace(queued(40 * BOUND), member_group=MemberGroup(OTHER_GROUP, 1, solo=False)),
        replace(queued(40 * BOUND), applier_bound=0),
    ],
    ids=["it is outside", "it is of another group", "flow control is off"],
)
def test_whom_the_group_does_not_wait_for_slows_nothing(facts: Facts) -> None:
    assert looked(member(LEADS), member(facts, 1)).replication is None


def test_without_a_primary_nothing_is_said_of_its_writes() -> None:
    found = looked(member(queued(40 * BOUND)), member(FOLLOWS, 1))
    assert found.replication is None
    assert lagging(found) == []
