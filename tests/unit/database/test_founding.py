"""Founding the group, once, and what is made of data that is found or missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.database.in_memory import FakeDatabase
from tests.unit.database.views import (
    CLAIM,
    EMPTY,
    FOLLOWING,
    FOUNDED,
    GROUP,
    NOW,
    OTHER_GROUP,
    PRIMARY,
    WITH_GROUP,
    Wishes,
    member,
    reader,
    view,
)

from hcs_operator.api.database import DatabaseView, Facts, GroupState, InstanceView, MemberGroup
from hcs_operator.api.observed import Reason
from hcs_operator.decide.database.founding import new_name
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import Claim, Found
from hcs_operator.observe.database import look

pytestmark = pytest.mark.unit


def planned(seen: DatabaseView, previous: dict[str, Any] | None = None) -> DatabasePlan:
    return plan(seen, previous=previous or {}, journal=None, now=NOW)


def test_an_empty_member_is_claimed_before_anything_else() -> None:
    (step,) = planned(view(member(EMPTY))).steps
    assert isinstance(step, Claim)
    assert (step.seed, step.epoch, step.uid) == ("shop-db-0-0", 1, "cr-uid")


def test_two_operators_claim_the_same_group_and_another_stack_another_one() -> None:
    (ours,) = planned(view(member(EMPTY))).steps
    (again,) = planned(view(member(EMPTY))).steps
    (other,) = planned(view(member(EMPTY), uid="another")).steps
    assert ours == again
    assert isinstance(ours, Claim)
    assert isinstance(other, Claim)
    assert ours.group_name != other.group_name


def test_a_group_of_each_epoch_has_a_name_that_none_had_before() -> None:
    assert len({new_name("cr-uid", epoch) for epoch in range(1, 10)}) == 9


def test_the_claimed_group_is_founded_on_its_seed() -> None:
    found = planned(view(member(EMPTY)), {"claim": CLAIM})
    (step,) = found.steps
    assert isinstance(step, Found)
    assert (step.seed.name, step.claim.group_name, step.claim.epoch) == ("shop-db-0-0", GROUP, 1)
    assert found.status["bootstrapped"] is False


def test_a_running_group_is_written_down_before_anything_uses_it() -> None:
    first = planned(view(member(PRIMARY)), {"claim": CLAIM})
    assert first.status["bootstrapped"] is True
    assert not first.primary_ready
    assert first.waiting
    second = planned(view(member(PRIMARY)), {"claim": CLAIM, **first.status})
    assert second.primary_ready
    assert second.waiting is None


def test_kept_data_is_adopted_under_its_own_group() -> None:
    (step,) = planned(view(member(WITH_GROUP))).steps
    assert isinstance(step, Claim)
    assert step.group_name == GROUP


def test_a_restarting_member_is_waited_for() -> None:
    found = planned(view(member(WITH_GROUP)), FOUNDED)
    assert found.steps == ()
    assert found.problem is None
    assert found.waiting
    assert found.waiting.word == "GroupStarting"


@pytest.mark.parametrize(
    ("facts", "previous", "word"),
    [
        (EMPTY, FOUNDED, "VolumeLost"),
        (replace(EMPTY, gtid_executed=f"{OTHER_GROUP}:1-3"), {}, "DataWithoutGroup"),
        (replace(EMPTY, gtid_executed=f"{OTHER_GROUP}:1-3"), FOUNDED, "DataWithoutGroup"),
        (replace(WITH_GROUP, member_group=MemberGroup(OTHER_GROUP, 1, solo=True)), FOUNDED, "DataOfAnotherGroup"),
        (replace(PRIMARY, member_group=MemberGroup(OTHER_GROUP, 1, solo=True)), FOUNDED, "DataOfAnotherGroup"),
    ],
)
def test_data_that_is_not_as_it_was_stalls_and_is_left_alone(facts: Facts, previous: dict[str, Any], word: str) -> None:
    found = planned(view(member(facts)), previous)
    assert found.steps == ()
    assert found.problem
    assert found.problem.word == word
    assert not found.primary_ready


def test_an_empty_member_beside_a_reader_with_data_is_a_lost_volume_even_without_status() -> None:
    found = planned(view(member(EMPTY), reader(FOLLOWING)))
    assert found.steps == ()
    assert found.problem
    assert found.problem.word == "VolumeLost"
    assert "shop-replica-0-0" in found.problem.message


def test_an_empty_member_beside_a_readers_kept_volume_is_a_lost_volume_before_there_is_a_reader() -> None:
    found = planned(view(member(EMPTY), kept=("data-shop-replica-0-0",)))
    assert found.steps == ()
    assert found.problem
    assert found.problem.word == "VolumeLost"
    assert "data-shop-replica-0-0" in found.problem.message


def test_a_kept_volume_stands_in_the_way_of_nothing_that_is_found_again_or_seen_to_be_empty() -> None:
    kept = ("data-shop-replica-0-0",)
    for seen in (view(member(WITH_GROUP), kept=kept), view(member(EMPTY), reader(EMPTY), kept=kept)):
        (step,) = planned(seen).steps
        assert isinstance(step, Claim)
    assert planned(view(member(PRIMARY), kept=kept), FOUNDED).primary_ready


async def test_only_readers_volumes_that_nothing_takes_along_are_kept() -> None:
    claims: dict[str, dict[str, Any]] = {
        "data-shop-replica-0-0": {"metadata": {}},
        "data-shop-replica-0-1": {"metadata": {"ownerReferences": [{"kind": "StatefulSet"}]}},
        "data-shop-replica-0-2": {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
        "data-shop-db-0-0": {"metadata": {}},
    }
    seen = await look(FakeDatabase(), Wishes("uid"), [], secrets={}, live={}, claims=claims)
    assert seen.kept == ("data-shop-replica-0-0",)


def test_nothing_is_founded_while_a_reader_that_may_hold_a_copy_is_silent() -> None:
    found = planned(view(member(EMPTY), reader(None)))
    assert found.steps == ()
    assert found.waiting
    assert found.waiting.word == "ReaderSilent"


def test_a_silent_member_is_waited_for_and_nothing_is_claimed() -> None:
    found = planned(view(member(None, silence=Reason("AccessDenied", "the agent has not set it"))))
    assert found.steps == ()
    assert found.waiting
    assert "the agent has not set it" in found.waiting.message


UNPLACED = Reason("Unschedulable", "no node has room")


@pytest.mark.parametrize(
    ("spec", "unbound"),
    [
        ({}, {"data-shop-db-0-1"}),
        ({"volumeName": "pv-1"}, set()),
        ({"dataSource": {"kind": "VolumeSnapshot", "name": "yesterday"}}, set()),
        ({"dataSourceRef": {"kind": "VolumeSnapshot", "name": "yesterday"}}, set()),
    ],
    ids=["never had a volume", "has one", "will be a snapshot's", "will be a snapshot's, by reference"],
)
async def test_a_claim_that_will_hold_data_is_none_that_never_had_a_volume(
    spec: dict[str, Any], unbound: set[str]
) -> None:
    seen = await look(
        FakeDatabase(), Wishes("uid"), [], secrets={}, live={}, claims={"data-shop-db-0-1": {"spec": spec}}
    )
    assert seen.unbound == unbound


def unplaced(ordinal: int) -> InstanceView:
    return member(None, ordinal, problem=UNPLACED, ready=False)


def of_three(*members: InstanceView, unbound: str = "") -> DatabaseView:
    """A look at three pods; the claims of those ordinals never had a volume."""
    return view(*members, members_wanted=3, unbound=frozenset(f"data-shop-db-0-{it}" for it in unbound))


@pytest.mark.parametrize(
    ("seen", "seed"),
    [
        (of_three(member(EMPTY), member(EMPTY, 1), unplaced(2), unbound="2"), "shop-db-0-0"),
        (of_three(unplaced(0), member(EMPTY, 1), member(EMPTY, 2), unbound="0"), "shop-db-0-1"),
        (of_three(unplaced(0), unplaced(1), member(EMPTY, 2), unbound="01"), "shop-db-0-2"),
    ],
)
def test_a_pod_that_never_had_a_volume_keeps_no_group_from_being_founded(seen: DatabaseView, seed: str) -> None:
    (claim,) = planned(seen).steps
    assert isinstance(claim, Claim)
    assert (claim.seed, claim.members) == (seed, (seed,))
    (found,) = planned(seen, {"claim": claim.written}).steps
    assert isinstance(found, Found)
    assert found.seed.name == seed


@pytest.mark.parametrize(
    "seen",
    [
        of_three(member(EMPTY), member(EMPTY, 1), unplaced(2)),
        of_three(member(EMPTY), member(None, 1), unplaced(2), unbound="2"),
        of_three(member(WITH_GROUP), member(EMPTY, 1), unplaced(2), unbound="2"),
        of_three(unplaced(0), unplaced(1), unplaced(2), unbound="012"),
        of_three(member(EMPTY), unplaced(2), unbound="2"),
        replace(of_three(unplaced(0), member(EMPTY, 1), unbound="0"), members_wanted=1),
    ],
    ids=["may have a volume", "another one", "data of a group", "nobody runs", "no pod yet", "not to stay"],
)
def test_whoever_may_hold_data_is_waited_for_before_anything_is_founded(seen: DatabaseView) -> None:
    made = planned(seen)
    assert made.steps == ()
    assert made.waiting


async def test_claims_without_a_volume_are_told_from_those_that_have_one() -> None:
    claims: dict[str, dict[str, Any]] = {
        "data-shop-db-0-0": {"metadata": {}, "spec": {"volumeName": "pv-1"}, "status": {"phase": "Lost"}},
        "data-shop-db-0-1": {"metadata": {}, "spec": {}, "status": {"phase": "Pending"}},
    }
    seen = await look(FakeDatabase(), Wishes("uid"), [], secrets={}, live={}, claims=claims)
    assert seen.unbound == {"data-shop-db-0-1"}


def test_a_member_that_crashes_over_its_data_stalls_with_the_remedy() -> None:
    problem = Reason("CrashLoopBackOff", "container mysqld of pod shop-db-0-0 is in CrashLoopBackOff")
    found = planned(view(member(None, problem=problem, ready=False)), FOUNDED)
    assert found.problem
    assert found.problem.word == "MemberCrashing"
    assert "backup" in found.problem.message
    assert found.steps == ()


def test_a_member_whose_pod_is_gone_for_a_moment_is_no_reason_to_found() -> None:
    assert planned(view(), FOUNDED).steps == ()
    assert planned(view()).steps == ()


def test_two_members_that_both_claim_to_lead_are_not_relied_on() -> None:
    found = planned(view(member(PRIMARY), member(PRIMARY, 1), members_wanted=3), FOUNDED)
    assert not found.primary_ready
    assert found.steps == ()


def test_a_primary_without_a_majority_is_none() -> None:
    cut_off = replace(PRIMARY, group=replace(PRIMARY.group, online=1, total=3))
    assert not planned(view(member(cut_off)), FOUNDED).primary_ready


@pytest.mark.parametrize(
    ("counted", "nodes", "safe", "why"),
    [
        (3, "abc", True, "AnotherMemberOnline"),
        (2, "abc", True, "AnotherMemberOnline"),
        (1, "abc", False, "SingleMember"),
        (3, "aaa", False, "SingleNode"),
        (3, "aab", True, "AnotherMemberOnline"),
        (2, "aab", False, "SingleNode"),
    ],
)
def test_who_is_online_by_its_own_word_alone_makes_nothing_safe(counted: int, nodes: str, safe: bool, why: str) -> None:
    """The group goes on without one that was frozen or cut off, and which of the others that is nobody says."""
    leads = replace(PRIMARY, group=GroupState("ONLINE", "PRIMARY", counted, counted))
    follows = replace(PRIMARY, super_read_only=True, group=GroupState("ONLINE", "SECONDARY", 3, 3))
    seen = [member(it, number, node=nodes[number]) for number, it in enumerate((leads, follows, follows))]
    status = planned(view(*seen, members_wanted=3), FOUNDED).status
    assert (status["safeToLosePrimary"], status["safeToLosePrimaryReason"]) == (safe, why)


def test_a_group_of_one_says_that_its_durability_rests_on_one_volume() -> None:
    found = planned(view(member(PRIMARY)), FOUNDED)
    assert found.durability
    assert found.durability.word == "SingleMember"
    assert found.status["safeToLosePrimary"] is False
    assert found.status["currentPrimary"] == "shop-db-0-0"
