"""A hand-over on request: who may lead, what is waited for, and that a wish is one and not a standing one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.database.test_lead import FALLEN, FIRST, FOLLOWS, JOINED, LEADS, LED_BY_FIRST, SECOND, THIRD, after
from tests.unit.database.views import FOLLOWING, FOUNDED, NOW, PRIMARY, member, reader, view

from hcs_operator.api.database import TEMPLATE_HASH, Facts, GroupState, InstanceView
from hcs_operator.api.observed import Reason
from hcs_operator.api.times import stamp
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.promotion import MOST_BEHIND, PATIENCE
from hcs_operator.decide.database.steps import HandOver

pytestmark = pytest.mark.unit

READER = "shop-replica-0-0"


def trio(second: Facts | None = FOLLOWS, leader: Facts = LEADS, **pod: Any) -> tuple[InstanceView, ...]:
    return member(leader), member(second, 1, **pod), member(FOLLOWS, 2)


def asked(
    *members: InstanceView,
    promote: str = SECOND,
    previous: dict[str, Any] = LED_BY_FIRST,
    now: float = NOW,
    **changes: Any,
) -> DatabasePlan:
    seen = view(*members, **{"members_wanted": 3, "promote": promote, **changes})
    return plan(seen, previous=previous, journal=None, now=now)


def hand_overs(made: DatabasePlan) -> list[tuple[str, str]]:
    return [(step.leader.name, step.successor.name) for step in made.steps if isinstance(step, HandOver)]


def state(made: DatabasePlan) -> str | None:
    record = made.status.get("promotion")
    return record["state"] if record else None


def test_the_primary_hands_over_to_whom_is_asked_for() -> None:
    made = asked(*trio(replace(FOLLOWS, server_uuid="second")))
    assert hand_overs(made) == [(FIRST, SECOND)]
    assert [step.uuid for step in made.steps if isinstance(step, HandOver)] == ["second"]
    assert state(made) == "Waiting"
    assert made.journal
    assert (made.journal["operation"], made.journal["instance"]) == ("PromoteMember", SECOND)


def test_without_the_annotation_nothing_is_asked_and_nothing_is_kept() -> None:
    done = {**LED_BY_FIRST, "promotion": {"instance": SECOND, "state": "Done", "reason": "", "since": stamp(NOW)}}
    made = asked(*trio(), promote="", previous=done)
    assert (made.steps, state(made)) == ((), None)


def test_once_it_leads_the_wish_is_done_and_that_is_why_the_primary_changed() -> None:
    first = asked(*trio())
    made = asked(member(FOLLOWS), member(LEADS, 1), member(FOLLOWS, 2), previous=after(first))
    assert (state(made), made.steps, made.journal) == ("Done", (), None)
    assert made.change
    assert made.change.why == "it handed over on request"


def test_who_leads_already_is_done_at_once() -> None:
    made = asked(*trio(), promote=FIRST)
    assert (state(made), made.steps) == ("Done", ())


def test_a_wish_that_is_done_does_not_fight_a_later_failover() -> None:
    done = asked(member(FOLLOWS), member(LEADS, 1), member(FOLLOWS, 2))
    assert state(done) == "Done"
    failed_over = asked(member(LEADS), member(FALLEN, 1), member(FOLLOWS, 2), previous=after(done))
    back = asked(*trio(), previous=after(failed_over), now=NOW + 86_400)
    assert (hand_overs(failed_over), hand_overs(back), state(back)) == ([], [], "Done")


def test_another_value_or_the_same_one_set_anew_is_another_wish() -> None:
    done = after(asked(*trio(), promote=FIRST))
    assert hand_overs(asked(*trio(), promote=SECOND, previous=done)) == [(FIRST, SECOND)]
    second_led = after(asked(member(FOLLOWS), member(LEADS, 1), member(FOLLOWS, 2)))
    taken_away = after(asked(*trio(), promote="", previous=second_led))
    assert hand_overs(asked(*trio(), previous=taken_away)) == [(FIRST, SECOND)]


@pytest.mark.parametrize(
    ("promote", "wanted", "why"),
    [
        ("shop-db-0-7", 3, f"there is no such member, only {FIRST}, {SECOND}, {THIRD}"),
        ("nonsense", 3, "there is no such member"),
        (READER, 3, "it is a read replica"),
        (THIRD, 1, "the group counts one member"),
    ],
)
def test_what_does_not_pass_by_itself_is_refused_at_once_and_told_once(promote: str, wanted: int, why: str) -> None:
    made = asked(*trio(), promote=promote, members_wanted=wanted)
    assert (hand_overs(made), state(made)) == ([], "Refused")
    assert made.refusal
    assert f"{promote} is not made to lead: {why}" in made.refusal
    assert "highconcurrency.dev/promote away and set it anew" in made.refusal
    again = asked(*trio(), promote=promote, members_wanted=wanted, previous=after(made))
    assert (again.refusal, state(again), again.status["promotion"]) == (None, "Refused", made.status["promotion"])


def test_one_that_is_to_leave_is_refused() -> None:
    made = asked(*trio(), member(FOLLOWS, 3), promote="shop-db-0-3", previous={
        **LED_BY_FIRST, "claim": {**LED_BY_FIRST["claim"], "members": [FIRST, SECOND, THIRD, "shop-db-0-3"]},
    })  # fmt: skip
    assert hand_overs(made) == []
    assert made.refusal
    assert "it is to leave the group" in made.refusal


def test_a_group_of_one_has_nobody_to_hand_over_to() -> None:
    made = plan(view(member(PRIMARY), reader(FOLLOWING), promote=SECOND), previous=FOUNDED, journal=None, now=NOW)
    assert hand_overs(made) == []
    assert state(made) == "Refused"


BEHIND = replace(FOLLOWS, applier_queue=MOST_BEHIND + 1)
NOT_NOW = [
    (trio(None, silence=Reason("TimedOut", "no answer within 3 s")), "it does not answer: no answer within 3 s"),
    (trio(FALLEN), "it is OFFLINE, not ONLINE"),
    (trio(replace(JOINED, group=GroupState("RECOVERING", "", 2, 3))), "it is RECOVERING, not ONLINE"),
    (trio(BEHIND), "it is too far behind"),
    (trio(deleting=True), "its pod is being deleted"),
    (trio(leader=replace(LEADS, group=replace(LEADS.group, online=2))), "not every member of the group is ONLINE"),
    ((member(LEADS), member(FOLLOWS, 2)), "it has no pod"),
    ((member(FOLLOWS), member(FOLLOWS, 1), member(FOLLOWS, 2)), "nobody leads"),
]


@pytest.mark.parametrize(("members", "why"), NOT_NOW)
def test_what_may_pass_is_waited_for_and_then_refused(members: tuple[InstanceView, ...], why: str) -> None:
    made = asked(*members)
    assert (hand_overs(made), state(made), made.refusal) == ([], "Waiting", None)
    assert why in made.status["promotion"]["reason"]
    waited = asked(*members, previous=after(made), now=NOW + PATIENCE - 1)
    assert state(waited) == "Waiting"
    assert hand_overs(asked(*trio(), previous=after(waited), now=NOW + PATIENCE - 1)) == [(FIRST, SECOND)]
    refused = asked(*members, previous=after(waited), now=NOW + PATIENCE)
    assert (hand_overs(refused), state(refused)) == ([], "Refused")
    assert refused.refusal
    assert why in refused.refusal
    assert hand_overs(asked(*trio(), previous=after(refused), now=NOW + 2 * PATIENCE)) == []


def test_a_backlog_that_is_applied_in_no_time_is_no_obstacle() -> None:
    assert hand_overs(asked(*trio(replace(FOLLOWS, applier_queue=MOST_BEHIND)))) == [(FIRST, SECOND)]


def test_a_hand_over_that_does_not_come_about_is_given_up() -> None:
    made = asked(*trio(), previous=after(asked(*trio())), now=NOW + PATIENCE)
    assert (hand_overs(made), state(made)) == ([], "Refused")
    assert made.refusal
    assert "the hand-over did not come about" in made.refusal


def test_a_growing_group_is_not_handed_over_meanwhile() -> None:
    recorded = {**LED_BY_FIRST, "claim": {**LED_BY_FIRST["claim"], "members": [FIRST, SECOND]}}
    made = asked(*trio(), previous=recorded)
    assert (hand_overs(made), state(made)) == ([], "Waiting")


def test_a_paused_stack_neither_hands_over_nor_forgets_what_was_done() -> None:
    assert asked(*trio(), paused=True).status.get("promotion") is None
    done = after(asked(*trio(), promote=FIRST))
    made = asked(member(FOLLOWS), member(LEADS, 1), member(FOLLOWS, 2), promote=FIRST, previous=done, paused=True)
    assert (hand_overs(made), state(made)) == ([], "Done")


def test_a_request_goes_before_the_next_pod_of_a_rolling_change() -> None:
    old: dict[str, Any] = {"annotations": {TEMPLATE_HASH: "old"}}
    made = asked(member(LEADS, **old), member(FOLLOWS, 1), member(FOLLOWS, 2), promote=THIRD)
    assert hand_overs(made) == [(FIRST, THIRD)]


some_facts = st.sampled_from([None, FOLLOWS, FOLLOWS, LEADS, FALLEN, BEHIND, replace(JOINED, group=replace(FOLLOWS.group, state="ERROR"))])  # fmt: skip
looks = st.tuples(
    st.tuples(some_facts, some_facts, some_facts),
    st.sampled_from(["", FIRST, SECOND, SECOND, THIRD, READER, "x"]),
    st.integers(0, 40),
    st.booleans(),
)


@settings(max_examples=300)
@given(st.lists(looks, min_size=1, max_size=12))
def test_no_history_asks_for_more_than_one_wish_or_for_one_that_could_not_lead(history: list[Any]) -> None:
    status: dict[str, Any] = {name: it for name, it in LED_BY_FIRST.items() if name != "currentPrimary"}
    now, spent, refused = NOW, set[str](), set[str]()
    for said, promote, seconds, paused in history:
        now += seconds
        if not promote and not paused:
            spent, refused = set(), set()
        members = [member(it, ordinal) for ordinal, it in enumerate(said)]
        made = asked(*members, promote=promote, previous=status, now=now, paused=paused)
        record = made.status.get("promotion")
        if record and record["instance"] != next(iter(spent), record["instance"]):
            spent, refused = set(), set()
        for step in made.steps:
            if isinstance(step, HandOver):
                target = next(it for it in members if it.instance.name == step.successor.name)
                assert step.successor.name == promote not in spent
                assert not paused
                assert target.facts
                assert target.facts.group.state == "ONLINE"
                assert target.facts.applier_queue <= MOST_BEHIND
        if made.refusal:
            assert promote not in refused, "told twice"
            refused.add(promote)
        if record and record["state"] != "Waiting":
            spent.add(record["instance"])
        status = after(made)
