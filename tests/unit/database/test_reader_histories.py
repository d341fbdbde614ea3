"""The histories of a group with two readers beside it, which come and go, fall behind, and are written to past the primary.

Whatever they hold, none is a member, or what a group is taken up from; who takes it up is who would without them, unless a reader
has rows that no member has any more. None is copied from while it holds what the primary lacks, and no row is overwritten that is
nowhere else. Once it is quiet, each that is wanted follows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.unit.database.group_readers import READERS, ReadWorld
from tests.unit.database.group_world import NAMES
from tests.unit.database.test_group_histories import GroupHistories
from tests.unit.database.views import NOW, reader

from hcs_operator.api.database import DatabaseView, Role
from hcs_operator.decide.database.errant import held
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import (
    Claim,
    Clone,
    CloseGroup,
    Export,
    Found,
    Halt,
    OpenGroup,
    Revive,
    Step,
)

pytestmark = pytest.mark.unit

names = st.sampled_from(READERS)
OF_THE_GROUP = (Claim, Found, Revive, Halt, OpenGroup, CloseGroup)


class ReaderHistories(GroupHistories):
    def __init__(self) -> None:
        super().__init__()
        self.world: ReadWorld = ReadWorld()
        self.templates |= dict.fromkeys(READERS, 0)
        self.readers_wanted, self.errant = 2, "Rebuild"
        self.drained: frozenset[str] = frozenset()

    def seen(self) -> DatabaseView:
        found = super().seen()
        there = [it for it in self.world.readers.values() if it.pod]
        readers = (reader(self.world.facts(it.name), READERS.index(it.name), **self.of_pod(it)) for it in there)
        exports = tuple(self.world.exports.values())
        return replace(found, instances=(*found.instances, *readers), exports=exports, errant=self.errant)

    def look(self) -> DatabasePlan:
        seen, now = self.seen(), NOW + self.world.clock
        last = max((name for name, it in self.world.readers.items() if it.pod), default=None)
        leaving = frozenset({last} if last and READERS.index(last) >= self.readers_wanted else ())
        known: dict[str, Any] = {"previous": self.status, "journal": self.journal, "now": now}
        made = plan(seen, leaving=leaving, **known)
        self.nothing_changes_for_the_group(made, plan(replace(seen, instances=seen.of(Role.MEMBER)), **known), seen)
        for step in made.steps:
            if isinstance(step, Clone) and step.donor.role is Role.READER:
                self.has_nothing_of_its_own(step, made, seen)
        self.drained = made.drained
        return made

    def nothing_changes_for_the_group(self, made: DatabasePlan, alone: DatabasePlan, seen: DatabaseView) -> None:
        done, due = ([it for it in found.steps if isinstance(it, OF_THE_GROUP)] for found in (made, alone))
        if done != due:
            assert not done
            members = [set(it.held) for it in self.world.members.values() if it.mark]
            heard = [self.world.readers[it.instance.name] for it in seen.of(Role.READER) if it.facts]
            assert any(set(it.executed) - set().union(*members) for it in heard), f"a reader stands in the way of {due}"

    def has_nothing_of_its_own(self, step: Clone, made: DatabasePlan, seen: DatabaseView) -> None:
        told = {it.instance.name: it.facts for it in seen.instances}
        leader, donor = told[made.status["currentPrimary"]], told[step.donor.name]
        assert leader
        assert donor
        assert GtidSet.parse(donor.gtid_executed) <= held(leader), "copied from what the primary lacks"

    def do(self, step: Step, *, fresh: bool, safely: bool = True) -> None:
        match step:
            case Claim():
                assert not {step.seed, *step.members} & set(READERS), "a reader is recorded as a member"
                super().do(step, fresh=fresh, safely=safely)
            case Export() if step.instance.name in READERS:
                self.world.export(step)
            case _:
                super().do(step, fresh=fresh, safely=safely)

    def pods_follow(self, *, safely: bool = False) -> None:
        super().pods_follow(safely=safely)
        for ordinal, (name, it) in enumerate(self.world.readers.items()):
            if it.pod and name in self.drained:
                self.world.stop(name, gone=True)
            elif not it.pod and ordinal < self.readers_wanted:
                it.pod, self.templates[name] = True, self.template
                self.world.start(name)

    @rule(which=st.sets(names, min_size=1))
    def readers_replicate(self, which: set[str]) -> None:
        self.world.replicate(which)

    @rule(name=names, more=st.booleans())
    def somebody_writes_to_a_reader(self, name: str, more: bool) -> None:
        for _ in range(1 + more):
            self.world.strays(name)

    @rule(name=names, lost=st.booleans())
    def a_reader_dies(self, name: str, lost: bool) -> None:
        self.world._end(name)
        if lost:
            self.world.lose(name)

    @rule(name=names)
    def a_reader_comes_back(self, name: str) -> None:
        self.world.start(name)

    @rule(name=st.sampled_from(NAMES))
    def binary_logs_are_purged(self, name: str) -> None:
        self.world.members[name].purged = set(self.world.members[name].executed)

    @rule(which=st.sets(names))
    def the_operator_does_not_hear_readers(self, which: set[str]) -> None:
        self.world.unheard = self.world.unheard - set(READERS) | which

    @rule(wanted=st.integers(0, 2), errant=st.sampled_from(["Rebuild", "Quarantine"]))
    def other_readers_are_wanted(self, wanted: int, errant: str) -> None:
        self.readers_wanted, self.errant = wanted, errant

    @rule()
    def it_is_quiet(self) -> None:
        self.errant = "Rebuild"
        super().it_is_quiet()

    def all_go_on(self) -> None:
        super().all_go_on()
        for name in NAMES:
            self.world.apply(name)
        for name in READERS:
            self.world.start(name)
        self.world.replicate()

    def at_rest(self, made: DatabasePlan) -> bool:
        there = [it for it in self.world.readers.values() if it.pod]
        following = [it.name for it in there if it.channel and it.channel.owned and it.channel.applying and not it.own]
        return super().at_rest(made) and following == list(READERS[: self.readers_wanted])


ReaderHistories.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
TestReaderHistories = ReaderHistories.TestCase


def test_nobody_is_copied_from_a_reader_that_was_just_written_to() -> None:
    history = ReaderHistories()
    history.all_serve(wanted=1)
    history.readers_replicate({*READERS})
    history.somebody_writes_to_a_reader(READERS[0], more=False)
    history.a_reader_dies(READERS[1], lost=True)
    history.a_reader_comes_back(READERS[1])
    copies = [step for step in history.look().steps if isinstance(step, Clone)]
    assert [(it.recipient.name, it.donor.name) for it in copies] == [(READERS[1], NAMES[0])]
    history.it_is_quiet()
