"""Growing and shrinking: who is recorded when, who is let in, and who hands over before going."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.database.views import (
    CLAIM,
    EMPTY,
    FOLLOWING,
    GROUP,
    LEADING,
    NOW,
    OFFLINE,
    OTHER_GROUP,
    PRIMARY,
    WITH_GROUP,
    member,
    reader,
    view,
)

from hcs_operator.api.database import CloneState, Facts, GroupState, InstanceView, MemberGroup
from hcs_operator.decide.database.membership import pods_wanted
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import Claim, Clone, CloseGroup, HandOver, OpenGroup, Recreate

pytestmark = pytest.mark.unit

NAMES = ["shop-db-0-0", "shop-db-0-1", "shop-db-0-2"]
SOLO = PRIMARY
OPEN = MemberGroup(GROUP, 1, solo=False, open=True)
COPIED = replace(WITH_GROUP, member_group=MemberGroup(GROUP, 1, solo=False), group=OFFLINE)
OF_THREE = GroupState("ONLINE", "PRIMARY", 3, 3)
LEADS_THREE = replace(PRIMARY, member_group=OPEN, group=OF_THREE)
SECOND = replace(LEADS_THREE, super_read_only=True, group=replace(OF_THREE, role="SECONDARY"), server_uuid="second")


def planned(*members: InstanceView, recorded: list[str], wanted: int = 3) -> DatabasePlan:
    previous = {"claim": {**CLAIM, "members": recorded}, "bootstrapped": True}
    return plan(view(*members, members_wanted=wanted), previous=previous, journal=None, now=NOW)


def only(made: DatabasePlan) -> Any:
    (step,) = made.steps
    return step


def test_further_members_are_copied_outside_the_group_one_after_the_other() -> None:
    made = planned(member(SOLO), member(EMPTY, 1), member(EMPTY, 2), recorded=NAMES[:1])
    step = only(made)
    assert isinstance(step, Clone)
    assert (step.recipient.name, step.donor.name) == (NAMES[1], NAMES[0])
    copying = replace(EMPTY, clone=CloneState("In Progress", "", None))
    assert planned(member(SOLO), member(copying, 1), member(EMPTY, 2), recorded=NAMES[:1]).steps == ()


@pytest.mark.parametrize("second", [EMPTY, None, replace(COPIED, gtid_executed=f"{GROUP}:1-99")])
def test_a_group_of_one_lets_nobody_in_before_both_are_ready(second: Facts | None) -> None:
    made = planned(member(SOLO), member(COPIED, 1), member(second, 2), recorded=NAMES[:1])
    assert not [step for step in made.steps if isinstance(step, Claim | OpenGroup)]
    assert made.journal
    assert made.journal["operation"] == "GrowGroup"


def test_they_are_recorded_before_the_group_is_opened_for_them() -> None:
    both = member(COPIED, 1), member(COPIED, 2)
    claim = only(planned(member(SOLO), *both, recorded=NAMES[:1]))
    assert isinstance(claim, Claim)
    assert list(claim.members) == NAMES
    assert claim.before == {**CLAIM, "members": NAMES[:1]}
    opened = only(planned(member(SOLO), *both, recorded=NAMES))
    assert isinstance(opened, OpenGroup)


def test_a_member_that_is_broken_after_it_was_recorded_delays_nobody() -> None:
    step = only(planned(member(SOLO), member(COPIED, 1), member(None, 2, ready=False), recorded=NAMES))
    assert isinstance(step, OpenGroup)


def test_at_rest_there_is_nothing_to_do() -> None:
    made = planned(member(LEADS_THREE), member(SECOND, 1), member(SECOND, 2), recorded=NAMES)
    assert made.steps == ()
    assert made.journal is None
    assert made.durability is None


def test_a_member_that_lost_its_volume_is_copied_from_a_secondary() -> None:
    step = only(planned(member(LEADS_THREE), member(SECOND, 1), member(EMPTY, 2), recorded=NAMES))
    assert isinstance(step, Clone)
    assert step.donor.name == NAMES[1]


@pytest.mark.parametrize("state", ["ONLINE", "RECOVERING", "ERROR"])
def test_nothing_is_copied_over_one_that_is_not_out_of_the_group(state: str) -> None:
    inside = replace(EMPTY, group=GroupState(state, "SECONDARY", 3, 3))
    made = planned(member(LEADS_THREE), member(SECOND, 1), member(inside, 2), recorded=NAMES)
    assert made.steps == ()


RIVALS = [
    replace(LEADS_THREE, super_read_only=True),
    replace(LEADS_THREE, member_group=None),
    LEADS_THREE,
]


@pytest.mark.parametrize("rival", RIVALS, ids=["closed still", "of a group it does not name", "taking writes"])
def test_of_two_that_claim_to_lead_neither_is_relied_on_and_no_pod_goes(rival: Facts) -> None:
    stale = member(rival, 1, annotations={"highconcurrency.dev/template-hash": "old"})
    made = planned(member(LEADS_THREE), stale, member(SECOND, 2), recorded=NAMES)
    assert (made.steps, made.primary_ready) == ((), False)


def test_one_that_leads_another_group_is_no_rival() -> None:
    foreign = replace(LEADS_THREE, member_group=replace(OPEN, group_name=OTHER_GROUP))
    made = planned(member(LEADS_THREE), member(SECOND, 1), member(foreign, 2), recorded=NAMES)
    assert made.primary_ready
    assert made.problem
    assert made.problem.word == "DataOfAnotherGroup"


def test_what_the_new_primary_has_received_is_no_transaction_of_the_fallen_ones_own() -> None:
    applying = replace(LEADS_THREE, received=f"{GROUP}:1-99")
    fallen = replace(COPIED, gtid_executed=f"{GROUP}:1-99")
    made = planned(member(fallen), member(applying, 1), member(SECOND, 2), recorded=NAMES)
    assert made.problem is None


def test_a_group_of_three_is_founded_by_one_that_is_recorded_alone() -> None:
    (claim,) = plan(
        view(member(EMPTY), member(EMPTY, 1), member(EMPTY, 2), members_wanted=3), previous={}, journal=None, now=NOW
    ).steps
    assert isinstance(claim, Claim)
    assert list(claim.members) == NAMES[:1]


@pytest.mark.parametrize("recorded", [NAMES[:1], NAMES[:2], NAMES[1:]])
def test_whoever_is_in_the_group_and_is_to_stay_is_recorded(recorded: list[str]) -> None:
    claim = only(planned(member(LEADS_THREE), member(SECOND, 1), member(SECOND, 2), recorded=recorded))
    assert isinstance(claim, Claim)
    assert list(claim.members) == NAMES


def test_a_group_of_one_that_is_not_to_stay_lets_in_who_is_before_it_leaves() -> None:
    both = (member(COPIED), member(SOLO, 1))
    step = only(planned(*both, recorded=NAMES[1:2], wanted=1))
    assert isinstance(step, Claim)
    assert list(step.members) == NAMES[:2]
    assert isinstance(only(planned(*both, recorded=NAMES[:2], wanted=1)), OpenGroup)
    of_two = replace(OF_THREE, online=2, total=2)
    stays = member(replace(SECOND, group=replace(of_two, role="SECONDARY")))
    made = only(planned(stays, member(replace(LEADS_THREE, group=of_two), 1), recorded=NAMES[:2], wanted=1))
    assert isinstance(made, HandOver)
    assert made.successor.name == NAMES[0]


def test_a_draining_readers_time_goes_on_while_the_group_waits_to_grow() -> None:
    seen = view(member(SOLO), member(COPIED, 1), member(None, 2), reader(FOLLOWING), members_wanted=3)
    previous = {"claim": CLAIM, "bootstrapped": True}
    made = plan(seen, previous=previous, journal=None, now=NOW, leaving=frozenset({"shop-replica-0-0"}))
    assert made.journal
    assert made.journal["operation"] == "DrainReader"


def test_the_last_one_is_struck_off_before_its_pod_goes() -> None:
    step = only(planned(member(LEADS_THREE), member(SECOND, 1), member(SECOND, 2), recorded=NAMES, wanted=1))
    assert isinstance(step, Claim)
    assert list(step.members) == NAMES[:2]


def test_the_next_one_waits_until_it_is_gone() -> None:
    made = planned(member(LEADS_THREE), member(SECOND, 1), member(SECOND, 2), recorded=NAMES[:2], wanted=1)
    assert made.steps == ()
    assert made.journal
    still_counted = planned(member(LEADS_THREE), member(SECOND, 1), recorded=NAMES[:2], wanted=1)
    assert still_counted.steps == ()


def test_a_primary_that_is_to_go_hands_over_first() -> None:
    leads = replace(LEADS_THREE, server_uuid="third")
    first = replace(SECOND, server_uuid="first")
    step = only(planned(member(first), member(SECOND, 1), member(leads, 2), recorded=NAMES, wanted=1))
    assert isinstance(step, HandOver)
    assert (step.successor.name, step.uuid) == (NAMES[0], "first")


@pytest.mark.parametrize(("queues", "successor"), [((30, 2), NAMES[1]), ((2, 30), NAMES[0])])
def test_the_lead_goes_to_the_one_with_the_least_left_to_apply(queues: tuple[int, int], successor: str) -> None:
    others = [member(replace(SECOND, applier_queue=queued), number) for number, queued in enumerate(queues)]
    step = only(planned(*others, member(LEADS_THREE, 2), recorded=NAMES, wanted=2))
    assert isinstance(step, HandOver)
    assert step.successor.name == successor


def test_nobody_is_struck_off_while_one_does_not_answer_the_group() -> None:
    shaky = replace(LEADS_THREE, group=replace(OF_THREE, online=2))
    made = planned(member(shaky), member(SECOND, 1), member(None, 2, ready=False), recorded=NAMES, wanted=1)
    assert made.steps == ()


def test_nobody_is_struck_off_while_a_silent_one_is_still_counted() -> None:
    for silent in (0, 1, 2):
        members = [member(LEADS_THREE), member(SECOND, 1), member(SECOND, 2)]
        members[silent] = member(None, silent)
        leads = 1 if silent == 0 else 0
        members[leads] = member(LEADS_THREE, leads)
        assert planned(*members, recorded=NAMES, wanted=2).steps == ()


def test_a_group_that_counts_one_again_may_bootstrap_by_itself() -> None:
    alone = replace(PRIMARY, member_group=OPEN, group=LEADING)
    step = only(planned(member(alone), recorded=NAMES[:1], wanted=1))
    assert isinstance(step, CloseGroup)
    assert planned(member(SOLO), recorded=NAMES[:1], wanted=1).steps == ()


def test_shrinking_goes_on_until_the_group_of_one_may_bootstrap_by_itself() -> None:
    alone = replace(PRIMARY, member_group=OPEN, group=LEADING)
    leaving = planned(member(alone), member(SECOND, 1), recorded=NAMES[:1], wanted=1)
    assert not [step for step in leaving.steps if isinstance(step, CloseGroup)]
    assert leaving.journal, "nothing seems left to do, and a crash now would need the operator"
    assert leaving.journal["operation"] == "ShrinkGroup"


@pytest.mark.parametrize(
    ("recorded", "wanted", "pods"),
    [(None, 3, 3), (NAMES[:1], 3, 3), (NAMES, 1, 3), (NAMES[:2], 1, 2), (NAMES[:1], 1, 1)],
)
def test_a_pod_goes_only_once_its_member_was_struck_off(recorded: list[str] | None, wanted: int, pods: int) -> None:
    claim = None if recorded is None else {**CLAIM, "members": recorded}
    assert pods_wanted(claim, wanted) == pods


def test_a_changed_template_reaches_secondaries_first_and_the_primary_after_it_has_handed_over() -> None:
    old = {"highconcurrency.dev/template-hash": "old"}
    all_old = [
        member(LEADS_THREE, annotations=old),
        member(SECOND, 1, annotations=old),
        member(SECOND, 2, annotations=old),
    ]
    first = only(planned(*all_old, recorded=NAMES))
    assert isinstance(first, Recreate)
    assert first.pod == NAMES[2]
    last = only(planned(all_old[0], member(SECOND, 1), member(SECOND, 2), recorded=NAMES))
    assert isinstance(last, HandOver)
