"""No member leads: whose data the group is taken up from, and when nothing is done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.database.views import (
    CLAIM,
    EMPTY,
    FOLLOWING,
    GROUP,
    NOW,
    OFFLINE,
    OTHER_GROUP,
    WITH_GROUP,
    member,
    reader,
    view,
)

from hcs_operator.api.database import Facts, GroupState, InstanceView, MemberGroup
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import ApplyReceived, Claim, Halt, Revive

pytestmark = pytest.mark.unit

NAMES = ["shop-db-0-0", "shop-db-0-1", "shop-db-0-2"]
ERROR = GroupState("ERROR", "", 0, 1)


def down(last: int, received: int = 0, **changes: Any) -> Facts:
    """A member that is out of its group: executed up to `last`, received up to `received`."""
    facts = replace(
        WITH_GROUP,
        member_group=MemberGroup(GROUP, 1, solo=False, open=True),
        group=OFFLINE,
        gtid_executed=f"{GROUP}:1-{last}",
        received=f"{GROUP}:1-{received}" if received else "",
    )
    return replace(facts, **changes)


def planned(
    *instances: InstanceView,
    since: float | None = 20.0,
    seed: str = NAMES[0],
    epoch: int = 1,
    failed: tuple[str, ...] = (),
) -> DatabasePlan:
    """A look at an outage that began `since` seconds ago, seen so by the journal."""
    previous = {"claim": {**CLAIM, "members": NAMES, "seed": seed, "epoch": epoch}, "bootstrapped": True}
    seen = view(*instances, members_wanted=3)
    first = plan(seen, previous=previous, journal=None, now=NOW, failed=failed)
    if since is None or first.journal is None:
        return first
    began = datetime.fromtimestamp(NOW - since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return plan(seen, previous=previous, journal={**first.journal, "startedAt": began}, now=NOW, failed=failed)


def later(made: DatabasePlan, *instances: InstanceView) -> DatabasePlan:
    """The next look, a second after one at an outage that had lasted 20 s."""
    previous = {"claim": {**CLAIM, "members": NAMES}, "bootstrapped": True}
    return plan(view(*instances, members_wanted=3), previous=previous, journal=made.journal, now=NOW + 1)


def test_an_outage_is_believed_only_when_it_lasts() -> None:
    members = [member(down(10)), member(down(10), 1), member(down(10), 2)]
    for since in (None, 5.0):
        made = planned(*members, since=since)
        assert made.steps == ()
        assert made.waiting
        assert made.waiting.word == "GroupDown"
        assert made.problem is None
    (step,) = planned(*members).steps
    assert isinstance(step, Claim)


@pytest.mark.parametrize(
    ("first", "second", "third", "best"),
    [
        (down(10), down(12), down(11), NAMES[1]),
        (down(10), down(14, received=14), down(11), NAMES[1]),
        (down(12), down(12), down(12), NAMES[0]),
        (down(12), down(12), down(3, received=12), NAMES[0]),
    ],
)
def test_the_group_is_taken_up_from_whoever_has_all(first: Facts, second: Facts, third: Facts, best: str) -> None:
    (step,) = planned(member(first), member(second, 1), member(third, 2)).steps
    assert isinstance(step, Claim)
    assert (step.seed, step.epoch, list(step.members)) == (best, 2, NAMES)


@pytest.mark.parametrize(
    ("first", "second", "best"),
    [
        (down(10), down(9, received=14), NAMES[1]),
        (down(10, received=12), down(12), NAMES[0]),
        (down(10, received=12), down(10, received=12), NAMES[0]),
    ],
)
def test_it_applies_what_it_received_before_it_is_claimed(first: Facts, second: Facts, best: str) -> None:
    made = planned(member(first), member(second, 1), member(down(3), 2))
    (step,) = made.steps
    assert isinstance(step, ApplyReceived)
    assert step.member.name == best
    assert made.journal
    assert (made.journal["operation"], made.journal["instance"]) == ("RecoverGroup", best)
    assert "applies" in made.journal["step"]


def test_nothing_is_applied_before_the_outage_has_lasted_and_everybody_has_left() -> None:
    holding = member(down(9, received=14), 1)
    assert planned(member(down(10)), holding, member(down(9), 2), since=5.0).steps == ()
    (step,) = planned(member(down(10, group=ERROR)), holding, member(down(9), 2)).steps
    assert isinstance(step, Halt)


def test_where_it_cannot_be_applied_another_that_holds_as_much_is_chosen() -> None:
    members = [member(down(10, received=12)), member(down(12), 1), member(down(3), 2)]
    (step,) = planned(*members, failed=(NAMES[0],)).steps
    assert isinstance(step, Claim)
    assert step.seed == NAMES[1]


def test_where_no_other_holds_as_much_it_is_tried_again() -> None:
    members = [member(down(10, received=12)), member(down(11), 1), member(down(3), 2)]
    (step,) = planned(*members, failed=(NAMES[0],)).steps
    assert isinstance(step, ApplyReceived)
    assert step.member.name == NAMES[0]


def test_once_it_is_claimed_no_other_is_chosen_though_a_step_failed_there() -> None:
    members = [member(down(12)), member(down(12), 1), member(down(9), 2)]
    (step,) = planned(*members, seed=NAMES[1], epoch=2, failed=(NAMES[1],)).steps
    assert isinstance(step, Revive)
    assert step.seed.name == NAMES[1]


def test_only_the_claimed_one_is_marked() -> None:
    members = [member(down(12)), member(down(12), 1), member(down(9), 2)]
    (step,) = planned(*members, seed=NAMES[1], epoch=2).steps
    assert isinstance(step, Revive)
    assert step.seed.name == NAMES[1]
    behind = planned(*members, seed=NAMES[2], epoch=2)
    assert behind.steps == ()
    assert behind.problem
    assert behind.problem.word == "SeedBehind"


def test_what_the_engine_still_tries_by_itself_is_stopped_first() -> None:
    (step,) = planned(member(down(12)), member(down(12, group=ERROR), 1), member(down(9), 2)).steps
    assert isinstance(step, Halt)
    assert step.member.name == NAMES[1]


@pytest.mark.parametrize(
    ("busy", "goes_on"),
    [
        (member(down(9, group=replace(ERROR, changing=True)), 1), True),
        (member(None, 1, ready=True), True),
        (member(None, 1, ready=False), False),
        (member(down(9, group=GroupState("ONLINE", "SECONDARY", 1, 3)), 1), False),
        (member(down(9, group=GroupState("RECOVERING", "", 1, 3)), 1), False),
    ],
    ids=["leaving", "leaving without an answer", "down", "online", "joining"],
)
def test_an_outage_goes_on_while_a_member_leaves_as_it_was_told(busy: InstanceView, goes_on: bool) -> None:
    halted = planned(member(down(12)), member(down(9, group=ERROR), 1), member(down(9), 2))
    assert isinstance(halted.steps[0], Halt)
    between = later(halted, member(down(12)), busy, member(down(9), 2))
    assert between.steps == ()
    made = later(between, member(down(12)), member(down(9), 1), member(down(9), 2))
    assert [type(step) for step in made.steps] == ([Claim] if goes_on else [])


@pytest.mark.parametrize(
    "other",
    [None, down(9, group=GroupState("ONLINE", "SECONDARY", 1, 3)), down(9, group=replace(OFFLINE, changing=True))],
    ids=["silent", "online", "starting"],
)
def test_an_outage_begins_anew_when_another_member_is_not_at_rest_meanwhile(other: Facts | None) -> None:
    halted = planned(member(down(12)), member(down(9, group=ERROR), 1), member(down(9), 2))
    between = later(halted, member(down(12)), member(None, 1, ready=True), member(other, 2, ready=True))
    made = later(between, member(down(12)), member(down(9), 1), member(down(9), 2))
    assert made.steps == ()


def test_whoever_is_best_after_a_member_has_left_is_looked_at_for_as_long() -> None:
    halted = planned(member(down(12)), member(down(9, group=ERROR), 1), member(down(9), 2))
    made = later(halted, member(down(12)), member(down(9, received=14), 1), member(down(9), 2))
    assert made.steps == ()
    assert made.journal
    assert made.journal["instance"] == NAMES[1]


@pytest.mark.parametrize(
    "third",
    [
        down(9, group=GroupState("ONLINE", "SECONDARY", 1, 3)),
        down(9, group=GroupState("RECOVERING", "", 1, 3)),
        down(9, group=replace(OFFLINE, changing=True)),
        down(9, member_group=MemberGroup(GROUP, 2, solo=True)),
        None,
    ],
    ids=["online without a majority", "recovering", "starting", "taking the group up", "silent"],
)
def test_while_one_may_still_do_or_say_something_it_is_waited_for(third: Facts | None) -> None:
    made = planned(member(down(10)), member(down(10), 1), member(third, 2))
    assert made.steps == ()
    assert made.waiting
    assert made.problem is None


@pytest.mark.parametrize("names", [NAMES[:2], NAMES])
def test_a_pod_that_never_had_a_volume_keeps_no_group_down_unless_it_is_recorded(names: list[str]) -> None:
    never_ran = member(None, 2, ready=False)
    seen = view(
        member(down(10)), member(down(10), 1), never_ran, members_wanted=3, unbound=frozenset({f"data-{NAMES[2]}"})
    )
    previous = {"claim": {**CLAIM, "members": names}, "bootstrapped": True}
    made = plan(seen, previous=previous, journal=None, now=NOW)
    assert made.waiting
    assert made.waiting.word == ("GroupDown" if names == NAMES[:2] else "MemberSilent")


def test_a_recorded_member_whose_pod_is_missing_is_waited_for() -> None:
    made = planned(member(down(10)), member(down(10), 1))
    assert made.steps == ()
    assert made.waiting


@pytest.mark.parametrize(
    ("instances", "word"),
    [
        ([member(down(10)), member(EMPTY, 1), member(down(10), 2)], "VolumeLost"),
        ([member(down(10, gtid_executed=f"{GROUP}:1-9:11")), member(down(10), 1), member(down(9), 2)], "Diverged"),
        ([member(down(9)), member(down(9), 1), member(down(9), 2), reader(FOLLOWING)], "ReaderHoldsMore"),
        (
            [
                member(down(9)),
                member(down(9), 1),
                member(down(9, member_group=MemberGroup(OTHER_GROUP, 1, solo=False)), 2),
            ],
            "DataOfAnotherGroup",
        ),
    ],
)
def test_where_every_choice_would_lose_something_nothing_is_done(instances: list[InstanceView], word: str) -> None:
    made = planned(*instances)
    assert made.steps == ()
    assert made.problem
    assert made.problem.word == word


def test_what_somebody_wrote_at_a_reader_keeps_no_group_down() -> None:
    own = "99999999-9999-5999-8999-999999999999:1"
    there = [member(down(10)), member(down(10), 1), member(down(10), 2)]
    written_to = reader(replace(FOLLOWING, gtid_executed=f"{GROUP}:1-10,{own}"))
    assert planned(*there, written_to).steps == planned(*there).steps != ()


def test_volumes_of_a_group_that_a_stack_finds_are_all_recorded() -> None:
    seen = view(member(down(10)), member(down(12), 1), member(down(9), 2), members_wanted=3)
    (step,) = plan(seen, previous={}, journal=None, now=NOW).steps
    assert isinstance(step, Claim)
    assert list(step.members) == NAMES
