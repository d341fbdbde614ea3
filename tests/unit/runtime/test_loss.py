"""Members given up on request, over whole looks: one event, a record that stays, and nothing written at rest."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.unit.runtime.benches import KEY, Bench
from tests.unit.runtime.trios import GROUP, NAMES, PlayedTrio, annotate, events, replace_database, restarted, with_trio

from hcs_operator.api.database import Facts, GroupState, Instance, MemberGroup
from hcs_operator.decide.database.outage import CONFIRMED
from hcs_operator.decide.database.steps import Halt, Revive, SqlStep
from hcs_operator.kube.port import Ref
from hcs_operator.mysql.errors import Unreachable

pytestmark = pytest.mark.unit

BOTH = f"{NAMES[1]},{NAMES[2]}"
CUT_OFF, OPEN = GroupState("ONLINE", "SECONDARY", 1, 3), MemberGroup(GROUP, 1, solo=False, open=True)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@dataclass
class Lone(PlayedTrio):
    """The first member is left, ONLINE by its own word, without a majority."""

    group: GroupState = CUT_OFF
    row: MemberGroup = OPEN

    async def examine(self, instance: Instance) -> Facts:
        if instance.name in NAMES[1:]:
            raise Unreachable("no route")
        facts = await super().examine(instance)
        return replace(facts, group=self.group, member_group=self.row, super_read_only=not self.group.leads)

    async def perform(self, step: SqlStep) -> None:
        await super().perform(step)
        if isinstance(step, Halt):
            self.group = GroupState("OFFLINE", "", 0, 1)
        if isinstance(step, Revive):  # and its agent bootstraps
            self.row = MemberGroup(step.claim.group_name, step.claim.epoch, solo=True)
            self.group = GroupState("ONLINE", "PRIMARY", 1, 1)


async def two_lost(bench: Bench, *, ready: bool) -> Lone:
    await with_trio(bench)
    lone = Lone()
    replace_database(bench, lone)
    for name in NAMES[1:]:
        pod = bench.cluster.objects[Ref("Pod", "shop", name)]
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}
        bench.cluster.put({**pod, "status": {**pod["status"], "conditions": [condition]}})
    bench.now += 60
    await bench.look(times=3)
    return lone


async def passing(bench: Bench, looks: int) -> None:
    for _ in range(looks):
        bench.now += CONFIRMED / 2
        await bench.look()


async def test_by_itself_no_quorum_is_forced(bench: Bench) -> None:
    lone = await two_lost(bench, ready=False)
    await passing(bench, 20)
    assert lone.performed == []
    assert bench.status()["database"]["claim"]["groupName"] == GROUP


async def test_a_request_is_carried_out_once_told_once_and_recorded(bench: Bench, tmp_path: Path) -> None:
    lone = await two_lost(bench, ready=False)
    annotate(bench, **{"allow-data-loss": BOTH})
    await passing(bench, 3)
    again = restarted(bench, Bench(tmp_path), lone)
    await passing(again, 5)
    assert [type(step) for step in lone.performed] == [Halt, Revive]
    status = again.status()["database"]
    assert status["currentPrimary"] == NAMES[0]
    assert status["claim"]["members"] == [NAMES[0]]
    assert (status["dataLoss"]["members"], status["dataLoss"]["groupName"]) == (NAMES[1:], GROUP)
    (told,) = events(again, "DataLossAllowed")
    assert told.startswith(f"{NAMES[1]}, {NAMES[2]} are given up")
    again.cluster.writes.clear()
    await again.look(times=3)
    assert again.cluster.writes == []
    assert again.status(KEY)["database"]["dataLoss"] == status["dataLoss"]


async def test_a_request_that_is_not_so_is_one_warning_and_changes_nothing(bench: Bench) -> None:
    lone = await two_lost(bench, ready=True)
    annotate(bench, **{"allow-data-loss": BOTH})
    await passing(bench, 6)
    (told,) = events(bench, "DataLossRefused")
    assert told.startswith(f"{BOTH} are not given up: {NAMES[1]} answers its kubelet")
    assert (lone.performed, bench.status()["database"]["claim"]["groupName"]) == ([], GROUP)
    bench.cluster.writes.clear()
    await bench.look(times=2)
    assert bench.cluster.writes == []
