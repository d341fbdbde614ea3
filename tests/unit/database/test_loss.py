"""Members given up on request: what is done of a request that stands, and what becomes of whoever comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.database.test_lead import FIRST, LEADS, LED_BY_FIRST, SECOND, THIRD
from tests.unit.database.test_outage import down
from tests.unit.database.views import EMPTY, FOLLOWING, GROUP, NOW, member, reader, view

from hcs_operator.api.database import TEMPLATE_HASH, Exported, Facts, GroupState, InstanceView, MemberGroup
from hcs_operator.api.times import stamp
from hcs_operator.decide.database.founding import new_name
from hcs_operator.decide.database.outage import CONFIRMED
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import ApplyReceived, Claim, Clone, Export, Halt, Quiesce, Revive, Step

pytestmark = pytest.mark.unit

BOTH = f"{SECOND},{THIRD}"
CUT_OFF = GroupState("ONLINE", "PRIMARY", 1, 3)
"""A lone survivor in its own view: ONLINE, and no majority."""
LONE = down(10, group=CUT_OFF, super_read_only=False)
NEW = new_name("cr-uid", 2)
RECORD: Mapping[str, Any] = {
    "members": [SECOND, THIRD],
    "at": stamp(NOW),
    "requestedAt": stamp(NOW - 20),
    "groupName": GROUP,
    "takenUpFrom": FIRST,
    "history": [{"name": FIRST, "gtidSet": f"{GROUP}:1-10"}],
}
GIVEN_UP: dict[str, Any] = {
    "claim": {"seed": FIRST, "epoch": 2, "groupName": NEW, "members": [FIRST], "former": [GROUP]},
    "bootstrapped": True,
    "dataLoss": RECORD,
}
"""`status.database` right after the claim."""
ALONE = replace(LEADS, member_group=MemberGroup(NEW, 2, solo=True), group=GroupState("ONLINE", "PRIMARY", 1, 1))


def lost(ordinal: int, **pod: Any) -> InstanceView:
    return member(None, ordinal, **{"ready": False, **pod})


def look(*instances: InstanceView, previous: Mapping[str, Any], now: float = NOW, **changes: Any) -> DatabasePlan:
    seen = view(*instances, **{"members_wanted": 3, "allow_data_loss": BOTH, **changes})
    return plan(seen, previous=previous, journal=None, now=now)


def asked(*instances: InstanceView, since: float = CONFIRMED, **changes: Any) -> DatabasePlan:
    """A look at a request that was first seen `since` seconds ago."""
    names = changes.get("allow_data_loss", BOTH)
    request = {"members": names, "state": "Waiting", "reason": "", "since": stamp(NOW - since)}
    return look(
        *instances, previous={**LED_BY_FIRST, "dataLossRequest": request, **changes.pop("previous", {})}, **changes
    )


def state(made: DatabasePlan) -> str | None:
    request = made.status.get("dataLossRequest")
    return request["state"] if request else None


def steps(made: DatabasePlan) -> list[type[Step]]:
    return [type(step) for step in made.steps]


def test_by_itself_nobody_is_given_up_however_long_it_takes() -> None:
    for lone in (LONE, down(10), down(10, group=GroupState("ERROR", "", 0, 1))):
        made = asked(member(lone), lost(1), lost(2), since=86_400, allow_data_loss="")
        assert (made.steps, made.loss, state(made)) == ((), None, None)
        assert made.waiting


def test_a_request_is_written_down_and_stands_for_a_while_before_anything_is_done() -> None:
    made = look(member(LONE), lost(1), lost(2), previous=LED_BY_FIRST)
    assert (made.steps, made.loss, state(made)) == ((), None, "Waiting")
    again = asked(member(LONE), lost(1), lost(2), since=CONFIRMED - 1)
    assert (again.steps, state(again)) == ((), "Waiting")
    assert again.journal
    assert (again.journal["operation"], again.journal["instance"]) == ("RecoverGroup", FIRST)
    assert again.waiting
    assert again.waiting.word == "GroupDown"


@pytest.mark.parametrize("lone", [LONE, down(10, group=GroupState("ERROR", "", 0, 1))], ids=["undecided", "in error"])
def test_a_lone_survivor_leaves_the_old_group_first(lone: Facts) -> None:
    (step,) = asked(member(lone), lost(1), lost(2)).steps
    assert isinstance(step, Halt)
    assert step.member.name == FIRST
    leaving = replace(lone, group=replace(lone.group, changing=True))
    assert asked(member(leaving), lost(1), lost(2)).steps == ()


def test_a_survivor_that_does_not_answer_while_it_leaves_is_waited_for() -> None:
    made = asked(lost(0, ready=True), lost(1), lost(2))
    assert (made.steps, made.loss, state(made)) == ((), None, "Waiting")
    assert "waited for" in made.status["dataLossRequest"]["reason"]
    assert steps(asked(member(down(10)), lost(1), lost(2))) == [Claim]


def test_it_applies_what_it_received_before_it_is_claimed() -> None:
    (step,) = asked(member(down(10, received=12)), lost(1), lost(2)).steps
    assert isinstance(step, ApplyReceived)
    assert str(step.received) == f"{GROUP}:1-12"
    assert steps(asked(member(down(12, received=12)), lost(1), lost(2))) == [Claim]


def test_the_claim_has_a_new_name_a_new_epoch_the_survivor_alone_and_the_record() -> None:
    made = asked(member(down(10)), lost(1), lost(2))
    (step,) = made.steps
    assert isinstance(step, Claim)
    assert step.written == GIVEN_UP["claim"]
    assert step.before == LED_BY_FIRST["claim"]
    assert step.loss == {**RECORD, "requestedAt": stamp(NOW - CONFIRMED)}
    assert (made.loss, state(made)) == (None, "Waiting"), "it is told when it is done"


def test_of_two_the_one_with_all_that_the_other_has_is_chosen() -> None:
    both = (member(down(10)), lost(1), member(down(9, received=12), 2))
    assert steps(asked(*both, allow_data_loss=SECOND)) == [ApplyReceived]
    (step,) = asked(member(down(10)), lost(1), member(down(12), 2), allow_data_loss=SECOND).steps
    assert isinstance(step, Claim)
    assert (step.seed, step.members) == (THIRD, (THIRD,))
    assert step.loss
    assert [it["name"] for it in step.loss["history"]] == [FIRST, THIRD]


def test_what_somebody_wrote_at_a_reader_stands_in_no_requests_way() -> None:
    own = "99999999-9999-5999-8999-999999999999:1"
    written_to = reader(replace(FOLLOWING, gtid_executed=f"{GROUP}:1-10,{own}"))
    assert steps(asked(member(down(10)), lost(1), lost(2), written_to)) == [Claim]


def test_an_epoch_is_above_any_that_was_seen() -> None:
    ahead = down(10, member_group=MemberGroup(GROUP, 4, solo=False, open=True))
    (step,) = asked(member(ahead), lost(1), lost(2)).steps
    assert isinstance(step, Claim)
    assert (step.epoch, step.group_name) == (5, new_name("cr-uid", 5))


def test_one_that_came_back_without_its_data_counts_as_missing() -> None:
    assert steps(asked(member(down(10)), member(EMPTY, 1), lost(2))) == [Claim]


def test_a_paused_stack_keeps_what_it_knew() -> None:
    made = look(member(down(10)), lost(1), lost(2), previous=LED_BY_FIRST, paused=True)
    assert (made.steps, made.loss, state(made)) == ((), None, None)


def claimed(*instances: InstanceView, **changes: Any) -> DatabasePlan:
    """A look after the claim, by whichever operator."""
    request = {"members": BOTH, "state": "Waiting", "reason": "", "since": RECORD["requestedAt"]}
    return look(*instances, previous={**GIVEN_UP, "dataLossRequest": request, **changes.pop("previous", {})}, **changes)


def test_once_claimed_it_is_told_and_the_survivor_is_marked() -> None:
    made = claimed(member(down(10)), lost(1), lost(2))
    (step,) = made.steps
    assert isinstance(step, Revive)
    assert (step.seed.name, step.former, step.claim.group_name, step.claim.epoch) == (FIRST, GROUP, NEW, 2)
    assert made.loss
    assert made.loss.allowed
    assert f"{SECOND}, {THIRD} are given up" in made.loss.words
    assert state(made) == "Allowed"


@pytest.mark.parametrize("names", ["", BOTH, "nonsense"])
def test_once_claimed_it_goes_on_whatever_the_annotation_says_by_then(names: str) -> None:
    assert steps(claimed(member(down(10)), lost(1), lost(2), allow_data_loss=names)) == [Revive]


def test_nobody_but_the_claimed_one_is_marked() -> None:
    for seed in (lost(0), member(EMPTY), member(down(10, group=replace(down(1).group, changing=True)))):
        made = claimed(seed, member(down(10), 1), member(down(12), 2))
        assert made.steps == ()


def test_who_comes_back_in_the_former_group_leaves_it_before_the_survivor_bootstraps() -> None:
    back = down(12, group=GroupState("ONLINE", "PRIMARY", 2, 3), super_read_only=False)
    (step,) = claimed(member(down(10)), member(back, 1), member(down(12), 2)).steps
    assert isinstance(step, Halt)
    assert step.member.name == SECOND


def test_a_group_that_was_led_is_never_marked_again_over_an_older_copy() -> None:
    led = claimed(member(ALONE), lost(1), lost(2))
    assert led.status["ledGroup"] == NEW
    later = claimed(member(down(10)), lost(1), lost(2), previous={"ledGroup": NEW})
    assert later.steps == ()
    assert later.status["ledGroup"] == NEW


def test_a_value_that_was_carried_out_asks_for_nothing_more_in_a_later_outage() -> None:
    allowed = claimed(member(down(10)), lost(1), lost(2)).status["dataLossRequest"]
    grown = {**GIVEN_UP["claim"], "members": [FIRST, SECOND, THIRD]}
    cut_off = replace(LONE, member_group=MemberGroup(NEW, 2, solo=False, open=True))
    previous = {**GIVEN_UP, "claim": grown, "dataLossRequest": allowed, "ledGroup": NEW}
    made = look(member(cut_off), lost(1), lost(2), previous=previous, now=NOW + 86_400)
    assert (made.steps, made.loss, state(made)) == ((), None, "Allowed")
    taken_away = look(member(cut_off), lost(1), lost(2), previous=previous, allow_data_loss="")
    anew = {**previous, **taken_away.status, "dataLossRequest": taken_away.status.get("dataLossRequest")}
    assert state(look(member(cut_off), lost(1), lost(2), previous=anew)) == "Waiting"


def with_leader(second: Facts | None, *readers: InstanceView, **changes: Any) -> DatabasePlan:
    return claimed(member(ALONE), member(second, 1), lost(2), *readers, allow_data_loss="", **changes)


def test_who_comes_back_is_made_a_copy_and_what_it_alone_has_is_saved_first() -> None:
    (step,) = with_leader(down(9)).steps
    assert isinstance(step, Clone)
    assert (step.recipient.name, step.donor.name, step.export) == (SECOND, FIRST, None)
    more = down(12)
    assert steps(with_leader(more)) == [Export]
    saved = Exported("shop-errant-x", SECOND, f"{GROUP}:11-12", stamp(NOW))
    (step,) = with_leader(more, exports=(saved,)).steps
    assert isinstance(step, Clone)
    assert str(step.given_up) == f"{GROUP}:11-12"


def test_who_comes_back_in_the_former_group_leaves_it_before_anything_else() -> None:
    for group in (GroupState("ONLINE", "PRIMARY", 2, 3), GroupState("ERROR", "", 0, 1)):
        (step,) = with_leader(down(12, group=group)).steps
        assert isinstance(step, Halt)
    assert with_leader(down(12, group=GroupState("OFFLINE", "", 0, 1, changing=True))).steps == ()


def test_who_still_calls_itself_online_in_the_former_group_is_neither_counted_nor_copied_from() -> None:
    back = down(12, group=GroupState("ONLINE", "SECONDARY", 2, 3))
    made = claimed(member(ALONE), member(back, 1), member(EMPTY, 2), allow_data_loss="")
    (copied,) = [step for step in made.steps if isinstance(step, Clone)]
    assert (copied.recipient.name, copied.donor.name) == (THIRD, FIRST)
    assert not [step for step in made.steps if isinstance(step, Claim)], "it is recorded as a member"
    assert made.status["safeToLosePrimary"] is False


def test_no_pod_is_made_anew_while_one_still_leaves_the_former_group() -> None:
    two = GroupState("ONLINE", "PRIMARY", 2, 2)
    first = member(replace(ALONE, group=two, member_group=MemberGroup(NEW, 2, solo=False, open=True)))
    joined = replace(first.facts or ALONE, group=replace(two, role="SECONDARY"), super_read_only=True)
    leaving = down(10, group=GroupState("ONLINE", "SECONDARY", 2, 3, changing=True))
    claim = {**GIVEN_UP["claim"], "members": [FIRST, SECOND]}
    stale = member(joined, 1, annotations={TEMPLATE_HASH: "old"})
    assert claimed(first, stale, member(leaving, 2), allow_data_loss="", previous={"claim": claim}).steps == ()


def test_a_volume_of_the_former_group_is_no_source_in_a_later_outage() -> None:
    grown = {**GIVEN_UP["claim"], "members": [FIRST, SECOND]}
    fresh = down(20, member_group=MemberGroup(NEW, 2, solo=False, open=True), gtid_executed=f"{GROUP}:1-10,{NEW}:1-5")
    old = down(99)
    made = claimed(member(fresh), member(fresh, 1), member(old, 2), allow_data_loss="",
                   previous={"claim": grown, "ledGroup": NEW})  # fmt: skip
    assert made.waiting
    assert made.waiting.word == "GroupDown"
    assert FIRST in made.waiting.message
    swapped = claimed(
        member(fresh), member(old, 1), member(EMPTY, 2), allow_data_loss="", previous={"claim": grown, "ledGroup": NEW}
    )
    assert swapped.problem
    assert swapped.problem.word == "MemberMissing"
    request = {"members": SECOND, "state": "Waiting", "reason": "", "since": stamp(NOW - CONFIRMED)}
    again = {**GIVEN_UP, "claim": grown, "ledGroup": NEW, "dataLossRequest": request}
    (step,) = look(member(fresh), member(old, 1), member(EMPTY, 2), previous=again, allow_data_loss=SECOND).steps
    assert isinstance(step, Claim)
    assert (step.seed, step.epoch, step.former) == (FIRST, 3, (GROUP, NEW))


def test_a_reader_with_what_was_given_up_is_saved_and_made_a_copy_too() -> None:
    ahead = replace(FOLLOWING, gtid_executed=f"{GROUP}:1-12", channel=None)
    assert steps(claimed(member(ALONE), lost(1), lost(2), reader(ahead), allow_data_loss="")) == [Export]
    assert steps(claimed(member(ALONE), lost(1), lost(2), reader(replace(FOLLOWING, gtid_executed=f"{GROUP}:1-12")),
                         allow_data_loss="")) == [Quiesce]  # fmt: skip
