"""A change of the primary: told once, with the cause that is seen of the old one or was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.database.views import CLAIM, EMPTY, FOUNDED, GROUP, NOW, OFFLINE, member, view

from hcs_operator.api.database import TEMPLATE_HASH, Facts, GroupState, InstanceView, MemberGroup
from hcs_operator.api.observed import Reason
from hcs_operator.api.times import stamp
from hcs_operator.decide.database.lead import PrimaryChange
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan

pytestmark = pytest.mark.unit

FIRST, SECOND, THIRD = (f"shop-db-0-{ordinal}" for ordinal in range(3))
JOINED = replace(EMPTY, member_group=MemberGroup(GROUP, 1, solo=False, open=True), gtid_executed=f"{GROUP}:1-10")
FOLLOWS = replace(JOINED, group=GroupState("ONLINE", "SECONDARY", 3, 3))
LEADS = replace(JOINED, group=GroupState("ONLINE", "PRIMARY", 3, 3), super_read_only=False)
FALLEN = replace(JOINED, group=OFFLINE)
LED_BY_FIRST: dict[str, Any] = {
    "claim": {**CLAIM, "members": [FIRST, SECOND, THIRD]},
    "bootstrapped": True,
    "currentPrimary": FIRST,
}
OLD_TEMPLATE = {TEMPLATE_HASH: "old"}


def looked(*members: InstanceView, previous: dict[str, Any], wanted: int = 3) -> DatabasePlan:
    return plan(view(*members, members_wanted=wanted), previous=previous, journal=None, now=NOW)


def after(made: DatabasePlan) -> dict[str, Any]:
    """`status.database` as the next look finds it."""
    return {**made.status, "claim": LED_BY_FIRST["claim"]}


def led_by_second(first: Facts | None, **pod: Any) -> tuple[InstanceView, ...]:
    return member(first, 0, **pod), member(LEADS, 1), member(FOLLOWS, 2)


@pytest.mark.parametrize(
    ("old", "why"),
    [
        (member(FOLLOWS), "the group chose it"),
        (member(FALLEN), f"{FIRST} fell out of the group and is OFFLINE"),
        (
            member(replace(JOINED, group=GroupState("ERROR", "", 0, 1))),
            f"{FIRST} fell out of the group and is ERROR",
        ),
        (member(FOLLOWS, deleting=True), f"the pod of {FIRST} is being deleted"),
        (
            member(None, silence=Reason("TimedOut", "no answer within 3 s")),
            f"{FIRST} does not answer: no answer within 3 s",
        ),
        (None, f"{FIRST} is gone"),
    ],
)
def test_a_new_primary_is_told_with_what_is_seen_of_the_old_one(old: InstanceView | None, why: str) -> None:
    members = *([old] if old else []), member(LEADS, 1), member(FOLLOWS, 2)
    assert looked(*members, previous=LED_BY_FIRST).change == PrimaryChange(FIRST, SECOND, why)


def test_the_same_primary_is_no_change() -> None:
    made = looked(member(LEADS), member(FOLLOWS, 1), member(FOLLOWS, 2), previous=LED_BY_FIRST)
    assert made.change is None


def test_the_first_primary_of_all_is_no_change() -> None:
    nobody_before = {name: it for name, it in LED_BY_FIRST.items() if name != "currentPrimary"}
    assert looked(*led_by_second(FOLLOWS), previous=nobody_before).change is None
    assert "lastPrimary" not in looked(member(None), previous=FOUNDED, wanted=1).status


def test_who_led_is_remembered_while_nobody_leads_and_the_change_is_told_once() -> None:
    nobody = looked(member(None), member(FOLLOWS, 1), member(FOLLOWS, 2), previous=LED_BY_FIRST)
    assert nobody.change is None
    assert (nobody.status["lastPrimary"], nobody.status.get("currentPrimary")) == (FIRST, None)
    still_nobody = looked(member(None), member(FOLLOWS, 1), member(FOLLOWS, 2), previous=after(nobody))
    elected = looked(*led_by_second(FALLEN), previous=after(still_nobody))
    assert elected.change is not None
    assert (elected.change.old, elected.change.new) == (FIRST, SECOND)
    assert "lastPrimary" not in elected.status
    assert looked(*led_by_second(FALLEN), previous=after(elected)).change is None


def test_since_when_nobody_leads_is_the_first_look_of_the_outage_and_is_forgotten_after_it() -> None:
    members = member(None), member(FOLLOWS, 1), member(FOLLOWS, 2)
    first = looked(*members, previous=LED_BY_FIRST)
    later = plan(view(*members, members_wanted=3), previous=after(first), journal=None, now=NOW + 33)
    assert first.status["noPrimarySince"] == later.status["noPrimarySince"] == stamp(NOW)
    assert "noPrimarySince" not in looked(*led_by_second(FALLEN), previous=after(later)).status


def test_before_anybody_ever_led_there_is_no_outage() -> None:
    assert "noPrimarySince" not in looked(member(None), previous=FOUNDED, wanted=1).status


def test_the_same_one_again_after_an_outage_is_no_change() -> None:
    nobody = looked(member(FALLEN), member(FALLEN, 1), member(FALLEN, 2), previous=LED_BY_FIRST)
    assert looked(member(LEADS), member(FALLEN, 1), member(FALLEN, 2), previous=after(nobody)).change is None


def rolling() -> DatabasePlan:
    return looked(
        member(LEADS, annotations=OLD_TEMPLATE), member(FOLLOWS, 1), member(FOLLOWS, 2), previous=LED_BY_FIRST
    )


def test_a_hand_over_of_a_rolling_change_is_the_cause_by_status_alone() -> None:
    asked = rolling()
    assert asked.status["handOver"]["to"] == SECOND
    nobody = looked(
        member(FOLLOWS, annotations=OLD_TEMPLATE), member(FOLLOWS, 1), member(FOLLOWS, 2), previous=after(asked)
    )
    made = looked(*led_by_second(FOLLOWS, annotations=OLD_TEMPLATE), previous=after(nobody))
    assert made.change == PrimaryChange(
        FIRST, SECOND, "it handed over before its pod is made anew from the changed template"
    )
    assert "handOver" not in made.status


def test_a_primary_that_is_to_go_hands_over_and_that_is_the_cause() -> None:
    third_leads = {**LED_BY_FIRST, "currentPrimary": THIRD}
    asked = looked(member(FOLLOWS), member(FOLLOWS, 1), member(LEADS, 2), previous=third_leads, wanted=1)
    made = looked(member(LEADS), member(FOLLOWS, 1), member(FOLLOWS, 2), previous=after(asked), wanted=1)
    assert made.change == PrimaryChange(THIRD, FIRST, "it handed over before it leaves the group")


def test_one_that_died_before_it_could_hand_over_is_the_cause_itself() -> None:
    made = looked(*led_by_second(FALLEN, annotations=OLD_TEMPLATE), previous=after(rolling()))
    assert made.change
    assert made.change.why == f"{FIRST} fell out of the group and is OFFLINE"


def test_another_one_than_was_asked_for_was_chosen_by_the_group() -> None:
    members = member(FOLLOWS, annotations=OLD_TEMPLATE), member(FOLLOWS, 1), member(LEADS, 2)
    made = looked(*members, previous=after(rolling()))
    assert made.change == PrimaryChange(FIRST, THIRD, "the group chose it")
