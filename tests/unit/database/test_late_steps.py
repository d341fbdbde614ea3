"""Steps that generated histories of a group were seen to do harm with when they came late, one by one."""

from __future__ import annotations

import pytest
from tests.unit.database.group_world import NAMES
from tests.unit.database.test_group_histories import GroupHistories

from hcs_operator.decide.database.steps import Clone, Found, Recreate, Step

pytestmark = pytest.mark.unit


def late(history: GroupHistories, kind: type[Step]) -> None:
    """Have the newest step of this kind carried out once more."""
    which = next(number for number, it in enumerate(reversed(history.late), 1) if isinstance(it.step, kind))
    history.a_former_operator_carries_out_what_it_decided(which)


def test_a_late_founding_founds_nothing_on_the_empty_volume_that_came_in_place_of_a_lost_one() -> None:
    history = GroupHistories()
    history.all_serve(wanted=3)
    history.a_volume_is_lost(NAMES[0])
    history.all_die_at_once([*NAMES], back=1)
    late(history, Found)
    assert history.world.members[NAMES[0]].mark is None
    history.it_is_quiet()


def test_a_late_copy_overwrites_no_member_that_has_its_data() -> None:
    history = GroupHistories()
    history.all_serve(wanted=3)
    history.all_die_at_once([*NAMES], back=3)
    late(history, Clone)
    assert not [it for it in history.world.members.values() if it.donor]
    history.it_is_quiet()


def test_a_late_removal_of_a_pod_is_not_begun() -> None:
    history = GroupHistories()
    history.all_serve(wanted=3)
    history.the_template_changes()
    history.the_operator_works(until=0)
    history.time_passes()
    history.a_member_dies(NAMES[1])
    late(history, Recreate)
    assert history.world.quorum(history.world.members[NAMES[0]])
    history.it_is_quiet()
