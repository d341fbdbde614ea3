"""Steps carried out: the claim as compare and swap, the founding looked at once more, pods deleted by uid."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.database.in_memory import FakeDatabase
from tests.unit.database.views import GROUP, OTHER_GROUP, view_of

from hcs_operator.act.database import execute
from hcs_operator.api.database import Role
from hcs_operator.decide.database.steps import Claim, Found, Recreate, Step
from hcs_operator.kube.errors import BudgetSpent, Conflict
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import API_VERSION, STACK_KIND
from hcs_operator.mysql.errors import Refused

pytestmark = pytest.mark.unit

STACK = Ref(STACK_KIND, "shop", "shop")
POD = Ref("Pod", "shop", "shop-db-0-0")
SEED = view_of(None, Role.MEMBER).instance


class Stage:
    """An API server with one stack, and a database, in memory."""

    def __init__(self) -> None:
        self.cluster, self.database = Cluster(), FakeDatabase()
        made = self.cluster.put(
            {"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": {"name": "shop", "namespace": "shop"}}
        )
        self.uid: str = made["metadata"]["uid"]

    def claim(self, **changes: Any) -> Claim:
        arguments = {
            "seed": SEED.name,
            "epoch": 1,
            "group_name": GROUP,
            "uid": self.uid,
            "members": (SEED.name,),
            **changes,
        }
        return Claim("shop", "shop", **arguments)

    def pod(self, *, ready: bool) -> dict[str, Any]:
        metadata = {"name": "shop-db-0-0", "namespace": "shop", "labels": {"a": "b"}}
        condition = {"type": "Ready", "status": str(ready)}
        status = {"phase": "Running", "conditions": [condition]}
        return self.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})

    def budget(self, min_available: int) -> None:
        spec = {"minAvailable": min_available, "selector": {"matchLabels": {"a": "b"}}}
        metadata = {"name": "shop-db-0", "namespace": "shop"}
        self.cluster.put({"kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec})

    def do(self, step: Step) -> None:
        asyncio.run(execute(step, self.database, self.cluster))

    def write(self, **status: Any) -> None:
        document = {"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": {"name": "shop", "namespace": "shop"}}
        written = {**document, "status": {"database": status}}
        asyncio.run(self.cluster.apply(written, manager="hcs-operator-status", subresource="status"))

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = (self.cluster.objects[STACK].get("status") or {}).get("database") or {}
        return found


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_claim_is_written_once_and_can_be_repeated(stage: Stage) -> None:
    stage.do(stage.claim())
    writes = len(stage.cluster.writes)
    stage.do(stage.claim())
    assert stage.status["claim"] == {
        "seed": SEED.name,
        "epoch": 1,
        "groupName": GROUP,
        "members": [SEED.name],
    }
    assert len(stage.cluster.writes) == writes


def test_of_two_claims_the_first_stays(stage: Stage) -> None:
    stage.do(stage.claim())
    with pytest.raises(Conflict):
        stage.do(stage.claim(group_name=OTHER_GROUP))
    assert stage.status["claim"]["groupName"] == GROUP


def test_of_two_claims_that_were_both_made_on_what_was_read_before_the_first_stays(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rival, read = stage.claim(group_name=OTHER_GROUP), stage.cluster.get

    async def overtaken(ref: Ref) -> dict[str, Any] | None:
        found = await read(ref)
        monkeypatch.undo()
        await execute(rival, stage.database, stage.cluster)
        return found

    monkeypatch.setattr(stage.cluster, "get", overtaken)
    with pytest.raises(Conflict):
        stage.do(stage.claim())
    assert stage.status["claim"]["groupName"] == OTHER_GROUP


def test_a_claim_for_a_stack_that_was_made_anew_is_refused(stage: Stage) -> None:
    with pytest.raises(Conflict):
        stage.do(stage.claim(uid="an earlier stack's"))


def test_a_status_written_beside_a_claim_keeps_it(stage: Stage) -> None:
    stage.do(stage.claim())
    stage.write(bootstrapped=False)
    stage.write(bootstrapped=True)
    assert stage.status["claim"]["groupName"] == GROUP


def test_what_was_given_up_is_recorded_with_the_claim_and_stays_with_later_ones(stage: Stage) -> None:
    first = stage.claim()
    stage.do(first)
    lost = {"members": ["shop-db-0-1"], "groupName": GROUP}
    second = stage.claim(epoch=2, group_name=OTHER_GROUP, former=(GROUP,), before=first.written, loss=lost)
    stage.do(second)
    assert (stage.status["claim"]["former"], stage.status["dataLoss"]) == ([GROUP], lost)
    stage.write(bootstrapped=True)
    grown = stage.claim(
        epoch=2, group_name=OTHER_GROUP, former=(GROUP,), before=second.written, members=(SEED.name, "shop-db-0-1")
    )
    stage.do(grown)
    assert (stage.status["claim"], stage.status["dataLoss"]) == (grown.written, lost)


def test_a_claim_on_an_old_look_gives_nobody_up(stage: Stage) -> None:
    first = stage.claim()
    stage.do(first)
    grown = stage.claim(members=(SEED.name, "shop-db-0-1"), before=first.written)
    stage.do(grown)
    with pytest.raises(Conflict):
        stage.do(
            stage.claim(epoch=2, group_name=OTHER_GROUP, former=(GROUP,), before=first.written, loss={"at": "now"})
        )
    assert (stage.status["claim"], "dataLoss" in stage.status) == (grown.written, False)


def test_a_claimed_group_is_founded(stage: Stage) -> None:
    stage.do(stage.claim())
    stage.do(Found(stage.claim(), SEED, "uuid"))
    group = stage.database.volume(SEED.name).group
    assert group
    assert group.group_name == GROUP


def test_nothing_is_founded_without_its_claim(stage: Stage) -> None:
    with pytest.raises(Conflict):
        stage.do(Found(stage.claim(), SEED, "uuid"))


def test_a_founding_from_an_old_look_is_refused_once_it_was_done(stage: Stage) -> None:
    stage.do(stage.claim())
    stage.write(bootstrapped=True)
    with pytest.raises(Conflict):
        stage.do(Found(stage.claim(), SEED, "uuid"))
    assert stage.database.performed == []


def test_an_instance_with_data_refuses_to_be_founded(stage: Stage) -> None:
    stage.do(stage.claim())
    stage.database.volume(SEED.name).executed = f"{OTHER_GROUP}:1"
    with pytest.raises(Refused):
        stage.do(Found(stage.claim(), SEED, "uuid"))


@pytest.mark.parametrize("ready", [True, False])
def test_a_pod_is_deleted_by_its_uid(stage: Stage, ready: bool) -> None:
    pod = stage.pod(ready=ready)
    with pytest.raises(Conflict):
        stage.do(Recreate("shop", "shop-db-0-0", "an older pod's", "why", ready))
    assert POD in stage.cluster.objects
    for _ in range(2):  # a repetition finds it gone
        stage.do(Recreate("shop", "shop-db-0-0", pod["metadata"]["uid"], "why", ready))
        assert POD not in stage.cluster.objects


def test_a_pod_that_is_ready_goes_as_its_budget_allows_and_one_that_is_not_at_once(stage: Stage) -> None:
    pod = stage.pod(ready=True)
    stage.budget(min_available=1)
    with pytest.raises(BudgetSpent, match="shop-db-0"):
        stage.do(Recreate("shop", "shop-db-0-0", pod["metadata"]["uid"], "why", ready=True))
    assert POD in stage.cluster.objects
    pod = stage.pod(ready=False)
    stage.do(Recreate("shop", "shop-db-0-0", pod["metadata"]["uid"], "why", ready=False))
    assert POD not in stage.cluster.objects
