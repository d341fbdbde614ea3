"""Members given up on request: which requests are refused, for good and in words that say what to do."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.unit.database.test_lead import FIRST, FOLLOWS, LEADS, LED_BY_FIRST, SECOND, THIRD
from tests.unit.database.test_loss import BOTH, LONE, asked, look, lost, state
from tests.unit.database.test_outage import down
from tests.unit.database.views import EMPTY, FOLLOWING, GROUP, NOW, OTHER_GROUP, member, reader

from hcs_operator.api.database import GroupState, InstanceView, MemberGroup
from hcs_operator.decide.database.outcome import DatabasePlan

pytestmark = pytest.mark.unit


def why(made: DatabasePlan) -> str:
    assert made.loss
    assert not made.loss.allowed
    assert (made.steps, state(made)) == ((), "Refused")
    return made.loss.words


OF_ANOTHER = down(10, member_group=MemberGroup(OTHER_GROUP, 1, solo=False))
ALL_SEEN = down(10, group=GroupState("ONLINE", "SECONDARY", 3, 3))
ANOTHER_SEEN = down(10, group=GroupState("RECOVERING", "", 2, 3))
REFUSED: Mapping[str, tuple[tuple[InstanceView, ...], str, str]] = {
    "somebody leads": ((member(LEADS), member(FOLLOWS, 1), lost(2)), THIRD, f"{FIRST} leads the group"),
    "it answers and is ONLINE": (
        (member(LONE), member(down(10, group=GroupState("ONLINE", "SECONDARY", 1, 3)), 1), lost(2)), BOTH,
        f"{SECOND} answers and has its data",
    ),
    "it answers and is OFFLINE": ((member(LONE), member(down(1), 1), lost(2)), BOTH, f"{SECOND} answers"),
    "its kubelet says that it answers": ((member(LONE), lost(1, ready=True), lost(2)), BOTH, f"{SECOND} answers its kub"),
    "too few": ((member(LONE), lost(1), lost(2)), SECOND, f"missing are {SECOND}, {THIRD}; name exactly these"),
    "too few without pods": ((member(LONE),), SECOND, f"missing are {SECOND}, {THIRD}"),
    "too many": ((member(LONE), member(down(10), 1), lost(2)), BOTH, f"{SECOND} answers and has its data"),
    "nobody by that name": ((member(LONE), lost(1), lost(2)), f"{BOTH},shop-db-0-7", "there is no member shop-db-0-7"),
    "a reader": ((member(LONE), lost(1), lost(2)), "shop-replica-0-0", "there is no member shop-replica-0-0"),
    "nobody is named": ((member(LONE), lost(1), lost(2)), " , ", f"missing are {SECOND}, {THIRD}"),
    "nobody is missing": ((member(LONE), member(down(10), 1), member(down(9), 2)), ",", "every member answers"),
    "all are lost": ((lost(0), lost(1), lost(2)), f"{FIRST},{BOTH}", "no member is left"),
    "all came back empty": ((member(EMPTY), member(EMPTY, 1), member(EMPTY, 2)), f"{FIRST},{BOTH}", "no member is left"),
    "they cannot be compared": (
        (member(down(10, gtid_executed=f"{GROUP}:1-9:11")), member(down(10), 1), lost(2)), THIRD,
        "No member holds all that the others hold",
    ),
    "a reader holds more": ((member(down(9)), lost(1), lost(2), reader(FOLLOWING)), BOTH, "no member has"),
    "another group's data": ((member(OF_ANOTHER), lost(1), lost(2)), BOTH, f"belongs to group {OTHER_GROUP}"),
    "it sees a majority": ((member(ALL_SEEN), lost(1), lost(2)), BOTH, f"{FIRST} sees 3 of 3 members ONLINE"),
    "it sees somebody": ((member(ANOTHER_SEEN), lost(1), lost(2)), BOTH, f"{FIRST} sees 2 of 3 members ONLINE"),
    "it goes on alone": (
        (member(down(10, member_group=MemberGroup(GROUP, 1, solo=True))), lost(1), lost(2)), BOTH, "takes it up by itself",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_as_the_request_says_refuses_it_at_once_and_for_good(case: str) -> None:
    instances, names, words = REFUSED[case]
    made = look(*instances, allow_data_loss=names, previous=LED_BY_FIRST)
    assert words in why(made)
    assert "highconcurrency.dev/allow-data-loss away and set it anew" in why(made)
    right = (member(down(10)), lost(1), lost(2))
    later = look(*right, allow_data_loss=names, previous={**made.status, "claim": LED_BY_FIRST["claim"]}, now=NOW + 60)
    assert (later.steps, later.loss, state(later)) == ((), None, "Refused")


def test_one_that_comes_back_while_the_request_stands_refuses_it() -> None:
    assert f"{SECOND} answers and has its data" in why(asked(member(down(10)), member(down(12), 1), lost(2)))


def test_a_request_before_any_founding_is_refused() -> None:
    assert "no group was founded yet" in why(look(member(EMPTY), previous={}))
