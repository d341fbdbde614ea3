"""Histories of a group of up to three members under the real decisions of operator and agents, look by look.

Members die, come back, lose their volumes and are cut off; the operator hears some, dies between any two of its writes, and another
one, that was frozen, goes on with a step of an older look. Never two groups, never one with another name unasked, never a group taken
up without what was acknowledged, never a removal that costs the majority; and once it is quiet, all wanted members are ONLINE.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.unit.database.group_engine import Member
from tests.unit.database.group_world import NAMES, NotDone, World
from tests.unit.database.views import NOW, member, view

from hcs_operator.act.carry_out import BEGUN_WITHIN
from hcs_operator.api.database import TEMPLATE_HASH, DatabaseView
from hcs_operator.decide.database.founding import new_name
from hcs_operator.decide.database.membership import pods_wanted
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import Claim, CloseGroup, Export, Found, Halt, Recreate, Revive, Step, Unfenced

pytestmark = pytest.mark.unit

GROUP_NAME = new_name("cr-uid", 1)
names = st.sampled_from(NAMES)
BEYOND_US = {"VolumeLost", "Diverged", "SeedBehind", "MemberDiverged"}
"""What a person has to judge, once a volume was lost."""


class Late(NamedTuple):
    """A step, when it was decided, and how many had fallen by then."""

    step: Step
    at: float
    fallen: int


class GroupHistories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.status: dict[str, Any] = {}
        self.journal: Mapping[str, Any] | None = None
        self.wanted, self.template = 3, 0
        self.templates = dict.fromkeys(NAMES, 0)
        self.late: list[Late] = []
        """What looks have asked for, the newest last; any of it may be carried out at any later time."""
        self.prompt = True
        """The StatefulSet hears at once who was struck off."""

    @initialize(wanted=st.sampled_from([1, 3]))
    def all_serve(self, wanted: int) -> None:
        self.wanted = wanted
        self.it_is_quiet()

    def seen(self) -> DatabaseView:
        there = [self.world.members[name] for name in NAMES if self.world.members[name].pod]
        return view(
            *(member(self.world.facts(it.name), NAMES.index(it.name), **self.of_pod(it)) for it in there),
            members_wanted=self.wanted,
            unbound=frozenset(f"data-{it.name}" for it in self.world.members.values() if not it.bound),
        )

    def of_pod(self, it: Member) -> dict[str, Any]:
        template = "new" if self.templates[it.name] == self.template else "old"
        return {"ready": it.runs, "uid": it.pod_uid, "annotations": {TEMPLATE_HASH: template}}

    def look(self) -> DatabasePlan:
        return plan(self.seen(), previous=self.status, journal=self.journal, now=NOW + self.world.clock)

    def do(self, step: Step, *, fresh: bool, safely: bool = True) -> None:
        """Raises NotDone. What a late one has read at the API server before its SQL says nothing of now."""
        claim = self.status.get("claim")
        match step:
            case Claim():
                if claim not in (step.written, step.before):
                    raise NotDone
                self.status["claim"] = step.written
                if self.prompt:
                    self.pods_follow(safely=safely)
            case Recreate():
                if self.world.at(step.pod).pod_uid != step.uid:
                    raise NotDone
                self.remove(step.pod, gone=False, safely=safely)
                self.templates[step.pod] = self.template
            case Export():
                assert self.world.lost_volumes, "a member strayed"
            case Found() | Revive() | CloseGroup() if fresh and claim != step.claim.written:
                raise NotDone
            case Halt():
                with self.majority_kept(step.member.name, safely=safely):
                    self.world.perform(step)
            case _:
                self.world.perform(step)

    def remove(self, name: str, *, gone: bool, safely: bool) -> None:
        with self.majority_kept(name, safely=safely):
            self.world.stop(name, gone=gone)

    @contextmanager
    def majority_kept(self, name: str, *, safely: bool) -> Iterator[None]:
        """Let one leave; `safely` unless somebody fell meanwhile, which is two at once."""
        before = [it for it in self.world.members.values() if self.world.quorum(it) and it.name != name]
        yield
        left = [it for it in self.world.members.values() if self.world.quorum(it)]
        known = safely and not self.world.split  # until the engine notices, everybody who answers counts everybody
        assert left or not before or not known, "the removal costs the majority"

    def pods_follow(self, *, safely: bool = False) -> None:
        """The StatefulSet makes what is wanted, and ends the highest that is not."""
        count = pods_wanted(self.status.get("claim"), self.wanted)
        for ordinal, name in reversed(list(enumerate(NAMES))):
            it = self.world.members[name]
            if ordinal >= count and it.pod:
                self.remove(name, gone=True, safely=safely)
            elif ordinal < count and not it.pod:
                it.pod, self.templates[name] = True, self.template
                self.world.start(name)

    @rule(until=st.integers(0, 4), prompt=st.booleans())
    def the_operator_works(self, until: int, prompt: bool = True) -> None:
        """It dies after so many of its writes: the steps, then status and journal, then the pods' count."""
        self.prompt = prompt
        made = self.look()
        asked = [Late(step, self.world.clock, self.world.fallen) for step in made.steps]
        self.late = [*(it for it in self.late if it.step not in made.steps), *asked][-8:]
        for step in made.steps[:until]:
            with suppress(NotDone):
                self.do(step, fresh=True)
        if until > len(made.steps):
            self.tell(made)
            if prompt:
                self.pods_follow()

    def tell(self, made: DatabasePlan) -> None:
        """Write status and journal; the claim has a writer of its own."""
        self.status = {**made.status, **({"claim": self.status["claim"]} if "claim" in self.status else {})}
        self.journal = made.journal

    @rule(which=st.integers(1, 8))
    def a_former_operator_carries_out_what_it_decided(self, which: int) -> None:
        for step, at, fallen in self.late[-which:][:1]:
            if isinstance(step, Unfenced) and self.world.clock - at > BEGUN_WITHIN:
                continue
            with suppress(NotDone):
                self.do(step, fresh=False, safely=self.world.fallen == fallen)

    @rule(rounds=st.integers(1, 3))
    def agents_work(self, rounds: int) -> None:
        for _ in range(rounds):
            self.world.agents()

    @rule()
    def time_passes(self) -> None:
        self.world.detect()

    @rule()
    def somebody_writes(self) -> None:
        self.world.commit()

    @rule(name=names)
    def a_secondary_applies(self, name: str) -> None:
        self.world.apply(name)

    @rule(name=names)
    def a_member_dies(self, name: str) -> None:
        self.world.die(name)

    @rule(order=st.permutations(NAMES), back=st.integers(0, 3))
    def all_die_at_once(self, order: list[str], back: int) -> None:
        for name in order:
            self.world.die(name)
        for name in order[:back]:
            self.world.start(name)

    @rule(name=names)
    def a_member_comes_back(self, name: str) -> None:
        self.world.start(name)

    @rule(name=names)
    def a_volume_is_lost(self, name: str) -> None:
        if self.world.members[name].held:
            self.world.lose(name)

    @rule(which=st.sets(names, max_size=2))
    def the_network_splits(self, which: set[str]) -> None:
        self.world.cut, self.world.split = which, True

    @rule(which=st.sets(names, max_size=2))
    def the_operator_hears_not_all(self, which: set[str]) -> None:
        self.world.unheard = which

    @rule(wanted=st.sampled_from([1, 3]))
    def another_number_is_wanted(self, wanted: int) -> None:
        self.wanted = wanted

    @rule()
    def the_template_changes(self) -> None:
        self.template += 1

    @rule()
    def it_is_quiet(self) -> None:
        self.world.cut, self.world.unheard = set(), set()
        made = self.look()
        for _ in range(60):
            self.all_go_on()
            self.the_operator_works(4)
            self.world.agents()
            self.world.commit()
            self.world.detect()
            made = self.look()
            if self.at_rest(made):
                return
        assert self.world.lost_volumes and made.problem and made.problem.word in BEYOND_US, (made.waiting, made.journal)

    def all_go_on(self) -> None:
        for name in NAMES:
            self.world.start(name)

    def at_rest(self, made: DatabasePlan) -> bool:
        online = [it.name for it in self.world.members.values() if it.runs and it.told.state == "ONLINE"]
        wanted = list(NAMES[: self.wanted])
        return online == wanted == self.status["claim"]["members"] and not made.steps and made.journal is None

    @invariant()
    def the_group_keeps_its_name(self) -> None:
        assert self.status.get("claim", {}).get("groupName", GROUP_NAME) == GROUP_NAME, "members were given up unasked"

    @invariant()
    def one_group_at_most_takes_writes(self) -> None:
        assert len({id(it.view) for it in self.world.members.values() if self.world.quorum(it)}) <= 1

    def teardown(self) -> None:
        self.it_is_quiet()


GroupHistories.TestCase.settings = settings(max_examples=90, stateful_step_count=25)
TestGroupHistories = GroupHistories.TestCase


def test_one_struck_off_and_wanted_again_before_it_is_gone_ends_as_a_member() -> None:
    history = GroupHistories()
    history.all_serve(wanted=3)
    history.another_number_is_wanted(wanted=1)
    history.the_operator_works(until=4, prompt=False)
    assert history.status["claim"]["members"] == list(NAMES[:2])
    history.another_number_is_wanted(wanted=3)
    history.it_is_quiet()


def test_no_pod_is_made_anew_while_the_group_still_counts_one_that_was_struck_off_when_it_was_dead() -> None:
    history = GroupHistories()
    history.all_serve(wanted=3)
    history.another_number_is_wanted(wanted=1)
    history.the_operator_works(until=0)
    history.another_number_is_wanted(wanted=3)
    history.the_template_changes()
    history.a_member_dies(NAMES[2])
    history.another_number_is_wanted(wanted=1)
    history.a_former_operator_carries_out_what_it_decided(which=1)
    assert history.status["claim"]["members"] == list(NAMES[:2])
    history.it_is_quiet()


def test_a_survivor_of_two_that_fell_leaves_and_the_outage_is_as_long_as_it_was() -> None:
    history = GroupHistories()
    history.all_serve(wanted=3)
    history.somebody_writes()
    for name in NAMES[1:]:
        history.a_member_dies(name)
    for _ in range(2):
        history.time_passes()
    for name in NAMES[1:]:
        history.a_member_comes_back(name)
    for _ in range(2):
        history.the_operator_works(until=4)
        history.agents_work(rounds=1)
        history.time_passes()
    assert history.world.members[NAMES[0]].leaving
    history.the_operator_works(until=4)
    assert history.journal
    assert history.journal["operation"] == Operation.RECOVER
    history.time_passes()
    assert any(isinstance(step, Claim) for step in history.look().steps)
    history.it_is_quiet()
