"""What holds for the plan of any look at up to three members, whatever they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.database.views import CLAIM, EMPTY, GROUP, NOW, OTHER_GROUP, member, view

from hcs_operator.api.database import DatabaseView, Facts, GroupState, InstanceView, MemberGroup, Role
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import (
    ApplyReceived,
    Claim,
    Clone,
    CloseGroup,
    Found,
    Halt,
    HandOver,
    OpenGroup,
    Recreate,
    Revive,
)

pytestmark = pytest.mark.unit

NAMES = [f"shop-db-0-{ordinal}" for ordinal in range(3)]

states = st.sampled_from(["ONLINE", "ONLINE", "RECOVERING", "OFFLINE", "OFFLINE", "ERROR"])
groups = st.builds(
    lambda state, role, online, total, changing: GroupState(state, role, min(online, total), total, changing),
    states,
    st.sampled_from(["PRIMARY", "SECONDARY", ""]),
    st.integers(0, 3),
    st.integers(1, 3),
    st.booleans(),
)
rows = st.none() | st.builds(
    MemberGroup, st.sampled_from([GROUP, GROUP, GROUP, OTHER_GROUP]), st.integers(1, 3), st.booleans(), st.booleans()
)
gtids = st.sampled_from(["", f"{GROUP}:1-5", f"{GROUP}:1-9", f"{GROUP}:1-5:7", f"{GROUP}:1-9,{OTHER_GROUP}:1"])
facts = st.none() | st.builds(
    lambda group, row, executed, received, closed: replace(
        EMPTY, group=group, member_group=row, gtid_executed=executed, received=received, super_read_only=closed
    ),
    groups,
    rows,
    gtids,
    gtids,
    st.booleans(),
)


down = st.builds(
    lambda state, executed, received, epoch: replace(
        EMPTY,
        group=GroupState(state, "", 0, 1),
        member_group=MemberGroup(GROUP, epoch, solo=False, open=True),
        gtid_executed=executed,
        received=received,
    ),
    st.sampled_from(["OFFLINE", "OFFLINE", "OFFLINE", "ERROR"]),
    gtids.filter(bool),
    gtids,
    st.integers(1, 2),
)
"""A member of a group that nobody leads: what the rarest and most dangerous decision is made on."""


@st.composite
def led(draw: st.DrawFn, count: int) -> list[Facts | None]:
    """The members of a group that one of them leads."""
    total = draw(st.integers(1, count))
    row = MemberGroup(GROUP, 1, solo=False, open=draw(st.booleans()))
    joined = replace(EMPTY, member_group=row, gtid_executed=f"{GROUP}:1-9")
    outside = [None, EMPTY, joined, replace(joined, group=GroupState("ERROR", "", 0, 1))]
    members: list[Facts | None] = []
    for ordinal in range(count):
        online = replace(joined, group=GroupState("ONLINE", "SECONDARY", total, total), server_uuid=f"uuid-{ordinal}")
        members.append(online if ordinal < total else draw(st.sampled_from(outside)))
    leader = draw(st.integers(0, total - 1))
    alone = total == 1 and draw(st.booleans())
    members[leader] = replace(
        joined,
        group=GroupState("ONLINE", "PRIMARY", draw(st.integers(total // 2 + 1, total)), total),
        member_group=replace(row, solo=alone, open=not alone),
        super_read_only=False,
    )
    return members


unbound = st.frozensets(st.sampled_from([f"data-{name}" for name in NAMES]))
"""The claims that no volume was ever bound to."""


@st.composite
def looks(draw: st.DrawFn) -> tuple[DatabaseView, dict[str, Any]]:
    """A look at one to three members, and the status before it."""
    count = draw(st.integers(1, 3))
    several = [st.lists(it, min_size=count, max_size=count) for it in (facts, down)]
    said_by = draw(st.one_of(*several, led(count)))
    old = {"highconcurrency.dev/template-hash": "old"}
    members = [
        member(it, ordinal, **({"annotations": old} if draw(st.integers(0, 3)) == 0 else {}))
        for ordinal, it in enumerate(said_by)
    ]
    recorded = st.sampled_from([NAMES[:1], NAMES[:2], NAMES, NAMES[:count]])
    claim = {
        **CLAIM,
        "seed": draw(st.sampled_from(NAMES[:count])),
        "epoch": draw(st.integers(1, 3)),
        "members": draw(recorded),
    }
    seen = view(*members, members_wanted=draw(st.sampled_from([1, 3])), unbound=draw(unbound))
    return seen, {"claim": claim, "bootstrapped": True}


def planned(seen: DatabaseView, previous: dict[str, Any]) -> DatabasePlan:
    """A look after an outage that has lasted, where there is one."""
    first = plan(seen, previous=previous, journal=None, now=NOW)
    began = datetime.fromtimestamp(NOW - 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    journal = {**first.journal, "startedAt": began} if first.journal else None
    return plan(seen, previous=previous, journal=journal, now=NOW)


def held(instance: InstanceView) -> GtidSet:
    assert instance.facts
    return GtidSet.parse(",".join(filter(None, (instance.facts.gtid_executed, instance.facts.received))))


def said(seen: DatabaseView) -> list[Facts]:
    return [it.facts for it in seen.of(Role.MEMBER) if it.facts]


def leading(seen: DatabaseView) -> list[str]:
    """Who claims to lead this group; one that says it is of another group is no part of it."""
    claiming = [
        (it.instance.name, it.facts.member_group) for it in seen.of(Role.MEMBER) if it.facts and it.facts.group.leads
    ]
    return [name for name, row in claiming if row is None or row.group_name == GROUP]


@settings(max_examples=400)
@given(looks())
def test_a_group_is_taken_up_once_and_from_all_that_anybody_has(look: tuple[DatabaseView, dict[str, Any]]) -> None:
    seen, previous = look
    claim = previous["claim"]
    for step in planned(seen, previous).steps:
        if not isinstance(step, Revive):
            continue
        members = seen.of(Role.MEMBER)
        assert {it.instance.name for it in members} >= set(claim["members"]), "somebody was not asked"
        silent = {it.instance.name for it in members if not it.facts}
        assert not silent & set(claim["members"]), "somebody who may hold the newest write has not answered"
        assert {f"data-{name}" for name in silent} <= seen.unbound, "somebody who may hold data has not answered"
        assert {it.group.state for it in said(seen)} == {"OFFLINE"}, "somebody may still be in the group"
        assert not any(it.group.changing for it in said(seen))
        assert not any(it.member_group.solo for it in said(seen) if it.member_group), "two would bootstrap"
        assert step.seed.name == claim["seed"], "another one than was claimed"
        assert all(it.member_group.epoch < claim["epoch"] for it in said(seen) if it.member_group), "done before"
        seed = next(it for it in members if it.instance.name == step.seed.name)
        assert all(held(it) <= held(seed) for it in members if it.facts), "an acknowledged write would be lost"


@settings(max_examples=400)
@given(
    st.lists(st.none() | st.just(EMPTY) | st.just(EMPTY) | facts, min_size=1, max_size=3),
    unbound,
    st.sampled_from([None, *NAMES]),
)
def test_a_group_is_founded_once_and_over_nothing_that_may_hold_data(
    said_by: list[Facts | None], never_bound: frozenset[str], claimed: str | None
) -> None:
    members = [member(it, ordinal) for ordinal, it in enumerate(said_by)]
    claim = {"claim": {**CLAIM, "seed": claimed, "members": [claimed]}} if claimed else {}
    steps = plan(
        view(*members, members_wanted=len(members), unbound=never_bound), previous=claim, journal=None, now=NOW
    ).steps
    names = [it.instance.name for it in members]
    silent = {name for name, it in zip(names, said_by, strict=True) if it is None}
    for step in steps:
        if isinstance(step, Found):
            assert step.seed.name == claimed, "another one than was claimed"
        if isinstance(step, Found) or (isinstance(step, Claim) and step.before is None):
            assert {f"data-{name}" for name in silent} <= never_bound, "somebody who may hold data has not answered"
            seed = said_by[names.index(step.seed if isinstance(step, Claim) else step.seed.name)]
            assert seed
        if isinstance(step, Claim) and step.before is None:
            rows = [it.member_group for it in said_by if it and it.member_group]
            assert not (rows and silent), "a member of a group that is found may be among them"
            assert rows or not any(it.gtid_executed for it in said_by if it), "founded beside data"


@settings(max_examples=400)
@given(looks())
def test_nobody_who_counts_is_struck_off(look: tuple[DatabaseView, dict[str, Any]]) -> None:
    seen, previous = look
    for step in planned(seen, previous).steps:
        if not isinstance(step, Claim):
            continue
        assert step.before == previous["claim"]
        gone = set(previous["claim"]["members"]) - set(step.members)
        assert len(gone) <= 1
        if gone:
            (name,) = leading(seen)
            assert name not in gone, "the primary"
            assert all(int(name[-1]) >= seen.members_wanted for name in gone), "one that is wanted"
            (leader,) = [it.facts for it in seen.instances if it.facts and it.instance.name == name]
            assert leader.group.online == leader.group.total, "the majority may rest on it"


@settings(max_examples=400)
@given(looks())
def test_no_step_touches_what_it_must_not(look: tuple[DatabaseView, dict[str, Any]]) -> None:
    seen, previous = look
    by_name = {it.instance.name: it for it in seen.instances}
    for step in planned(seen, previous).steps:
        match step:
            case Clone():
                recipient = by_name[step.recipient.name].facts
                assert recipient
                assert not recipient.gtid_executed
                assert recipient.group.state == "OFFLINE", "it may be part of a majority"
                assert step.donor != step.recipient
            case OpenGroup():
                assert leading(seen) == [step.leader.name]
                assert set(previous["claim"]["members"]) - {step.leader.name}, "nobody is recorded who could be let in"
            case CloseGroup():
                assert len(seen.of(Role.MEMBER)) == 1
                assert previous["claim"]["members"] == [step.leader.name]
            case Halt():
                halted = by_name[step.member.name].facts
                assert halted
                assert halted.group.state == "ERROR"
                assert not leading(seen)
            case ApplyReceived():
                assert not leading(seen)
                assert {it.group.state for it in said(seen)} == {"OFFLINE"}, "somebody may still be in the group"
                best = by_name[step.member.name]
                assert all(held(it) <= held(best) for it in seen.of(Role.MEMBER) if it.facts)
            case HandOver():
                successor = by_name[step.successor.name].facts
                assert successor
                assert successor.group.state == "ONLINE"
            case Recreate() if step.pod in leading(seen) and len(seen.of(Role.MEMBER)) > 1:
                others = [it for it in seen.of(Role.MEMBER) if it.pod.name != step.pod and it.facts]
                assert not [it for it in others if it.facts and it.facts.group.state == "ONLINE"], "no hand-over"
            case _:
                pass
