"""An operator that is killed after any one of its writes: the next one has status and journal alone, and ends at the same.

Everything that is written counts: the count of pods, each step, then status with the journal, in the order of `act.carry_out`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product

import pytest
from tests.unit.database.group_engine import Member
from tests.unit.database.group_world import NAMES, NotDone, World
from tests.unit.database.test_group_histories import GroupHistories

from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.steps import Clone

pytestmark = pytest.mark.unit

MOST_LOOKS = 40


class Counted(World):
    """A group whose bootstraps, copies and restarts are counted: what must not be done twice."""

    def __init__(self) -> None:
        super().__init__()
        self.done: Counter[str] = Counter()

    def _bootstrap(self, member: Member) -> None:
        super()._bootstrap(member)
        self.done[f"bootstrap by {member.name}"] += 1

    def _clone(self, member: Member, donor: Member, step: Clone) -> None:
        super()._clone(member, donor, step)
        self.done[f"copy to {member.name}"] += 1

    def stop(self, name: str, *, gone: bool) -> None:
        super().stop(name, gone=gone)
        self.done[f"stop of {name}"] += 1


@dataclass
class Run:
    """One operation from its beginning to rest; the operator dies after each act for which `dies` says so."""

    history: GroupHistories
    dies: Callable[[int], bool] = lambda _: False
    at_once: bool = False
    """The next process looks before anything else happens."""
    acts: int = 0
    looks: int = 0
    noted: list[tuple[str, str, str]] = field(default_factory=list)
    """Operation, instance and start of each journal that was found by a look."""

    def writes(self, made: DatabasePlan) -> Iterator[None]:
        """Write what there is to write, one after another."""
        history = self.history
        pods = [it.pod for it in history.world.members.values()]
        history.pods_follow(safely=True)
        if pods != [it.pod for it in history.world.members.values()]:
            yield
        for step in made.steps:
            with suppress(NotDone):
                history.do(step, fresh=True)
            yield
        before = history.status, history.journal
        history.tell(made)
        if before != (history.status, history.journal):
            yield

    def to_its_end(self) -> Run:
        for self.looks in range(1, MOST_LOOKS):
            if journal := self.history.journal:
                self.noted.append((journal["operation"], journal["instance"], journal["startedAt"]))
            before, died, made = self.acts, False, self.history.look()
            for _ in self.writes(made):
                self.acts += 1
                if died := self.dies(self.acts):
                    break
            if self.acts == before and self.history.at_rest(made):
                return self
            if not (died and self.at_once):
                self.world_goes_on()
        raise AssertionError(f"no end after {self.acts} acts: {self.history.status}, {self.history.journal}")

    def world_goes_on(self) -> None:
        world = self.history.world
        world.agents()
        world.commit()
        for name in NAMES:
            world.start(name)  # the kubelet: after its clone a mysqld is started again
        world.detect()

    @property
    def end(self) -> object:
        world = self.history.world
        serving = {it.name: (it.told.role, it.mark) for it in world.members.values() if it.runs}
        for it in world.members.values():
            assert not it.runs or world.acknowledged <= set(it.held.values()), f"{it.name} lacks what was acknowledged"
        assert self.history.status["bootstrapped"], "an empty volume would be founded"
        return self.history.status, serving, self.history.journal


def begun(members: int) -> GroupHistories:
    history = GroupHistories()
    history.world, history.prompt, history.wanted = Counted(), False, members
    return history


def serving(members: int) -> GroupHistories:
    history = begun(members)
    history.it_is_quiet()
    history.prompt = False
    return history


def bootstrap() -> GroupHistories:
    return begun(1)


def growth() -> GroupHistories:
    history = serving(1)
    history.wanted = 3
    return history


def shrink() -> GroupHistories:
    history = serving(3)
    history.wanted = 1
    return history


def recovery() -> GroupHistories:
    history = serving(3)
    history.all_die_at_once([*NAMES], back=3)
    return history


def rollout() -> GroupHistories:
    history = serving(3)
    history.the_template_changes()
    return history


@pytest.mark.parametrize(
    ("begins", "operation"),
    [
        pytest.param(bootstrap, None, id="bootstrap: its claim says it all"),
        pytest.param(growth, Operation.GROW, id="growth"),
        pytest.param(shrink, Operation.SHRINK, id="shrink"),
        pytest.param(recovery, Operation.RECOVER, id="recovery"),
        pytest.param(rollout, Operation.ROLL, id="rollout"),
    ],
)
def test_killed_after_any_one_of_its_writes_it_ends_at_the_same(
    begins: Callable[[], GroupHistories], operation: Operation | None
) -> None:
    whole = Run(begins()).to_its_end()
    assert whole.acts > 1
    for last, at_once in product(range(1, whole.acts + 1), (False, True)):
        killed = Run(begins(), last.__eq__, at_once).to_its_end()
        same_end(killed, whole)
        assert killed.looks <= whole.looks + 1, f"what was begun before act {last} was begun anew"
        assert operation is None or operation in {noted for noted, _, _ in killed.noted}, "no successor knew of it"


@pytest.mark.parametrize("acts", [1, 2])
@pytest.mark.parametrize("begins", [bootstrap, growth, shrink, recovery, rollout])
def test_killed_again_and_again_it_ends_at_the_same(begins: Callable[[], GroupHistories], acts: int) -> None:
    same_end(Run(begins(), lambda act: act % acts == 0).to_its_end(), Run(begins()).to_its_end())


def same_end(killed: Run, whole: Run) -> None:
    assert killed.end == whole.end
    assert killed.history.world.done == whole.history.world.done, "done twice"  # type: ignore[attr-defined]
    starts = {(noted, name): at for noted, name, at in reversed(killed.noted)}
    assert all(starts[noted, name] == at for noted, name, at in killed.noted), "a start was forgotten"
