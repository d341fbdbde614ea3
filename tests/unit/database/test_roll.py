"""Pods brought to a new template: one at a time, readers first, and stopped by the first that fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.database.views import CHANNEL, FOLLOWING, FOUNDED, NOW, PRIMARY, member, reader, view

from hcs_operator.api.database import TEMPLATE_HASH, InstanceView, Role
from hcs_operator.api.observed import Child, Reason
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import Recreate
from hcs_operator.observe.database import _absent, without_refused

pytestmark = pytest.mark.unit

OLD: dict[str, Any] = {"annotations": {TEMPLATE_HASH: "old"}, "labels": {"controller-revision-hash": "old"}}
BROKEN: dict[str, Any] = {"ready": False, "problem": Reason("ErrImagePull", "no such image")}


def rolled(*instances: InstanceView) -> DatabasePlan:
    return plan(view(*instances), previous=FOUNDED, journal=None, now=NOW)


def recreated(found: DatabasePlan) -> list[str]:
    return [step.pod for step in found.steps if isinstance(step, Recreate)]


def test_readers_go_first_the_highest_ordinal_before_all() -> None:
    found = rolled(member(PRIMARY, **OLD), reader(FOLLOWING, 0, **OLD), reader(FOLLOWING, 1, **OLD))
    assert recreated(found) == ["shop-replica-0-1"]
    assert found.journal
    assert found.journal["operation"] == "RollPods"


def test_a_pod_that_serves_goes_by_its_budget_and_one_that_does_not_needs_none() -> None:
    (evicted,) = rolled(member(PRIMARY), reader(FOLLOWING, **OLD)).steps
    (deleted,) = rolled(member(PRIMARY), reader(FOLLOWING, **OLD, ready=False)).steps
    (stuck,) = rolled(member(PRIMARY), reader(None, **{**OLD, **BROKEN})).steps
    assert [it.ready for it in (evicted, deleted, stuck) if isinstance(it, Recreate)] == [True, False, False]


def test_the_next_pod_waits_until_the_last_one_serves() -> None:
    lagging = replace(FOLLOWING, heartbeat=None)
    assert recreated(rolled(member(PRIMARY, **OLD), reader(FOLLOWING, 0, **OLD), reader(lagging, 1))) == []
    assert recreated(rolled(member(PRIMARY, **OLD), reader(FOLLOWING, 0, **OLD), reader(None, 1))) == []


def test_nobody_goes_while_a_controller_has_yet_to_see_its_statefulset() -> None:
    """The readers' template changes in the same look as the members', and is seen a moment later."""
    seen = view(member(PRIMARY, **OLD), reader(FOLLOWING))
    half = replace(seen, revisions={Role.MEMBER: seen.revisions[Role.MEMBER]})
    found = plan(half, previous=FOUNDED, journal=None, now=NOW)
    assert recreated(found) == []
    assert found.journal
    assert found.journal["operation"] == "RollPods"


def test_nobody_goes_while_a_pod_is_yet_to_come_back() -> None:
    """It was made anew, and its successor is not to be seen yet."""
    seen = view(member(PRIMARY, **OLD), reader(FOLLOWING))
    found = plan(replace(seen, absent=frozenset({Role.READER})), previous=FOUNDED, journal=None, now=NOW)
    assert recreated(found) == []


@pytest.mark.parametrize(("wanted", "absent"), [(1, set()), (2, {Role.READER})])
def test_a_pod_is_absent_until_it_is_seen(wanted: int, absent: set[Role]) -> None:
    live = {
        Child("StatefulSet", f"shop-{it}-0"): {"spec": {"replicas": n}} for it, n in (("db", 1), ("replica", wanted))
    }
    assert _absent("shop", live, ["db", "replica"]) == absent


def test_nobody_waits_for_a_pod_that_a_quota_refuses() -> None:
    """What makes room for it may be the very change that is to be rolled."""
    seen = replace(view(member(PRIMARY, **OLD), reader(FOLLOWING)), absent=frozenset({Role.READER}))
    unrefused, refused = (without_refused(seen, {Child("StatefulSet", f"shop-{it}-0")}) for it in ("db", "replica"))
    assert recreated(plan(unrefused, previous=FOUNDED, journal=None, now=NOW)) == []
    assert recreated(plan(refused, previous=FOUNDED, journal=None, now=NOW)) == ["shop-db-0-0"]


def test_the_member_comes_last() -> None:
    assert recreated(rolled(member(PRIMARY, **OLD), reader(FOLLOWING))) == ["shop-db-0-0"]


@pytest.mark.parametrize(("online", "total"), [(3, 3), (2, 3)], ids=["still online", "unreachable"])
def test_no_member_goes_while_the_group_counts_one_that_is_gone(online: int, total: int) -> None:
    group = replace(PRIMARY.group, online=online, total=total)
    secondary = replace(PRIMARY, super_read_only=True, group=replace(group, role="SECONDARY"))
    found = rolled(member(replace(PRIMARY, group=group), 0, **OLD), member(secondary, 1, **OLD))
    assert recreated(found) == []
    assert found.journal


def test_no_member_goes_while_the_primary_does_not_reach_another() -> None:
    group = replace(PRIMARY.group, online=2, total=3)
    secondary = replace(PRIMARY, super_read_only=True, group=replace(group, role="SECONDARY", online=3))
    primary = replace(PRIMARY, group=group)
    found = rolled(member(primary, 0, **OLD), member(secondary, 1, **OLD), member(secondary, 2, **OLD))
    assert recreated(found) == []


def test_a_member_that_the_group_counts_and_that_does_not_serve_gets_what_may_mend_it() -> None:
    group = replace(PRIMARY.group, online=2, total=3)
    secondary = replace(PRIMARY, super_read_only=True, group=replace(group, role="SECONDARY"))
    joining = replace(secondary, group=replace(group, role="SECONDARY", state="RECOVERING"))
    primary = replace(PRIMARY, group=group)
    found = rolled(member(primary, 0), member(secondary, 1), member(joining, 2, **OLD))
    assert recreated(found) == ["shop-db-0-2"]


def test_a_secondary_goes_before_the_primary() -> None:
    group = replace(PRIMARY.group, online=3, total=3)
    secondary = replace(PRIMARY, super_read_only=True, group=replace(group, role="SECONDARY"))
    primary = replace(PRIMARY, group=group)
    found = rolled(member(secondary, 0, **OLD), member(primary, 1, **OLD), member(secondary, 2, **OLD))
    assert recreated(found) == ["shop-db-0-2"]


def test_another_image_of_the_agent_alone_restarts_nothing() -> None:
    other_revision: dict[str, Any] = {"labels": {"controller-revision-hash": "old"}}
    assert rolled(member(PRIMARY, **other_revision)).steps == ()


def test_the_first_pod_that_fails_with_the_new_template_stops_the_roll() -> None:
    found = rolled(member(PRIMARY, **OLD), reader(FOLLOWING, 0, **OLD), reader(None, 1, **BROKEN))
    assert found.steps == ()
    assert found.problem
    assert found.problem.word == "RolloutStopped"
    assert "no such image" in found.problem.message


def test_a_pod_stuck_on_a_broken_template_is_made_anew_once_the_template_changed() -> None:
    found = rolled(member(PRIMARY), reader(None, 1, **{**OLD, **BROKEN}))
    assert recreated(found) == ["shop-replica-0-1"]


def test_a_stuck_member_is_made_anew_although_there_is_no_primary() -> None:
    assert recreated(rolled(member(None, **{**OLD, **BROKEN}))) == ["shop-db-0-0"]


def test_nothing_is_rolled_while_a_reader_is_being_helped() -> None:
    stopped = replace(FOLLOWING, channel=replace(CHANNEL, receiving="OFF"))
    assert recreated(rolled(member(PRIMARY, **OLD), reader(stopped))) == []


def test_nothing_is_rolled_while_no_primary_is_known() -> None:
    assert recreated(rolled(member(None, **OLD), reader(FOLLOWING, **OLD))) == []


def test_a_pod_that_is_on_its_way_out_is_not_deleted_again() -> None:
    assert recreated(rolled(member(PRIMARY, deleting=True, **OLD))) == []
