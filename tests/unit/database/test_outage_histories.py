"""Outages of a group whose members have not applied all that they received, and groups whose pods find no node, look by look."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from tests.unit.database.group_world import NAMES
from tests.unit.database.test_group_histories import GroupHistories

pytestmark = pytest.mark.unit

names = st.sampled_from(NAMES)


class UnplacedHistories(GroupHistories):
    """The same, where pods find no node before their volumes are there."""

    @initialize(wanted=st.sampled_from([1, 3, 3]), unplaced=st.sets(names, max_size=2))
    def all_serve(self, wanted: int, unplaced: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        self.wanted = wanted
        for name in unplaced:
            self.world.at(name).bound = self.world.at(name).runs = False
        for _ in range(6):
            self.the_operator_works(until=4)
            self.agents_work(rounds=1)

    @rule(name=names)
    def a_pod_finds_a_node(self, name: str) -> None:
        self.world.at(name).bound = True
        self.world.start(name)

    @rule(name=names)
    def a_volume_is_lost_with_its_claim(self, name: str) -> None:
        self.a_volume_is_lost(name)
        if not self.world.at(name).runs:
            self.world.at(name).bound = False

    def all_go_on(self) -> None:
        for name in NAMES:
            self.a_pod_finds_a_node(name)


UnplacedHistories.TestCase.settings = settings(max_examples=90, stateful_step_count=25)
TestUnplacedHistories = UnplacedHistories.TestCase


@pytest.mark.parametrize("unplaced", [{NAMES[0]}, {NAMES[1]}, {NAMES[0], NAMES[2]}])
def test_a_group_is_founded_and_written_to_though_pods_find_no_node_and_is_whole_once_they_do(
    unplaced: set[str],
) -> None:
    history = UnplacedHistories()
    history.all_serve(wanted=3, unplaced=unplaced)
    history.somebody_writes()
    assert history.world.acknowledged
    history.it_is_quiet()
    assert history.status["claim"]["members"] == list(NAMES)


def test_a_claimed_secondary_applies_what_it_received_before_it_bears_the_group() -> None:
    history = GroupHistories()
    history.all_serve(wanted=3)
    history.a_member_dies(NAMES[0])
    history.time_passes()
    history.all_go_on()
    history.it_is_quiet()
    history.somebody_writes()
    seed = history.world.at(NAMES[0])
    assert set(seed.received) - set(seed.executed)
    history.all_die_at_once([*NAMES], back=3)
    history.it_is_quiet()
    assert history.status["claim"]["seed"] == NAMES[0]
