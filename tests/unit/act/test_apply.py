"""Only what differs is sent; what is somebody else's is never touched."""

from typing import Any

import pytest

from hcs_operator.act.apply import REFUSED_AGAIN, Applied, Applier, Record
from hcs_operator.api.observed import Child, Snapshot
from hcs_operator.decide.pruning import owned
from hcs_operator.kube.errors import Refused
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref
from hcs_operator.observe.store import WatchStore

pytestmark = pytest.mark.unit
UID = "mine"


def child(kind: str = "ConfigMap", name: str = "a", **body: Any) -> dict[str, Any]:
    owners = [{"uid": UID, "controller": True, "kind": "HighConcurrencyStack", "name": "shop", "apiVersion": "x"}]
    metadata = {
        "name": name,
        "namespace": "shop",
        "labels": {"highconcurrency.dev/stack": "shop"},
        "ownerReferences": owners,
    }
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **body}


class Bench:
    """A cluster, a store that sees nothing by itself, and the memory of refusals."""

    def __init__(self) -> None:
        self.cluster, self.store = Cluster(), WatchStore()
        self.record = Record()
        self.now = 0.0

    async def apply(self, *documents: dict[str, Any]) -> Applied:
        live = {
            Child(ref.kind, ref.name): document
            for ref, document in self.cluster.objects.items()
            if owned(document, UID)
        }
        snapshot = Snapshot("shop", "shop", self.now, live)
        return await Applier(self.cluster, self.store, snapshot, UID, self.record).all(documents)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_new_document_is_made(bench: Bench) -> None:
    assert (await bench.apply(child(data={"x": "1"}))).changed == ["ConfigMap a: new"]


async def test_an_unchanged_document_is_not_sent(bench: Bench) -> None:
    await bench.apply(child(data={"x": "1"}))
    bench.cluster.writes.clear()
    assert (await bench.apply(child(data={"x": "1"}))).changed == []
    assert bench.cluster.writes == []


async def test_an_edit_by_hand_is_put_right_and_named(bench: Bench) -> None:
    await bench.apply(child("Service", spec={"type": "ClusterIP"}))
    edited = dict(bench.cluster.objects[Ref("Service", "shop", "a")], spec={"type": "NodePort"})
    bench.cluster.put(edited)
    assert (await bench.apply(child("Service", spec={"type": "ClusterIP"}))).changed == [
        "Service a: spec.type NodePort -> ClusterIP"
    ]


async def test_a_field_no_longer_wanted_is_removed(bench: Bench) -> None:
    await bench.apply(child(data={"x": "1", "y": "2"}))
    await bench.apply(child(data={"x": "1"}))
    assert bench.cluster.objects[Ref("ConfigMap", "shop", "a")]["data"] == {"x": "1"}


async def test_a_foreign_object_of_that_name_is_left_alone_and_named(bench: Bench) -> None:
    foreign = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "shop"},
        "data": {"x": "0"},
    }
    bench.cluster.put(foreign)
    outcome = await bench.apply(child(data={"x": "1"}))
    assert [problem.word for problem in outcome.problems] == ["ForeignObject"]
    assert "ConfigMap a" in outcome.problems[0].message
    assert bench.cluster.writes == []


async def test_a_refused_document_does_not_hold_up_the_others(bench: Bench) -> None:
    bench.cluster.refuse[("apply", Ref("ConfigMap", "shop", "a"))] = Refused("spec.x: Invalid value")
    outcome = await bench.apply(child(), child(name="b"))
    assert outcome.changed == ["ConfigMap b: new"]
    assert "spec.x: Invalid value" in outcome.problems[0].message


async def test_a_refused_document_is_sent_again_only_after_a_while(bench: Bench) -> None:
    bench.cluster.refuse[("apply", Ref("ConfigMap", "shop", "a"))] = Refused("no")
    await bench.apply(child())
    assert (await bench.apply(child())).problems != []
    assert len(bench.cluster.writes) == 1
    bench.now = REFUSED_AGAIN
    await bench.apply(child())
    assert len(bench.cluster.writes) == 2


async def test_a_refused_document_is_sent_at_once_when_it_has_changed(bench: Bench) -> None:
    bench.cluster.refuse[("apply", Ref("ConfigMap", "shop", "a"))] = Refused("no")
    await bench.apply(child())
    bench.cluster.refuse.clear()
    assert (await bench.apply(child(data={"x": "1"}))).changed == ["ConfigMap a: new"]


async def test_a_count_given_to_the_autoscaler_keeps_its_value(bench: Bench) -> None:
    await bench.apply(child("Deployment", spec={"replicas": 3}))
    await bench.apply(child("Deployment", spec={"paused": False}))
    assert bench.cluster.objects[Ref("Deployment", "shop", "a")]["spec"]["replicas"] == 3


async def test_what_somebody_deleted_is_made_again_and_told(bench: Bench) -> None:
    await bench.apply(child(data={"x": "1"}))
    bench.cluster.objects.clear()
    assert (await bench.apply(child(data={"x": "1"}))).healed == ["ConfigMap a was deleted and is made again"]


async def test_what_somebody_changed_is_told_with_the_difference(bench: Bench) -> None:
    await bench.apply(child("Service", spec={"type": "ClusterIP"}))
    bench.cluster.put(dict(bench.cluster.objects[Ref("Service", "shop", "a")], spec={"type": "NodePort"}))
    assert (await bench.apply(child("Service", spec={"type": "ClusterIP"}))).healed == [
        "Service a was changed and is put right: spec.type NodePort -> ClusterIP"
    ]


async def test_a_change_of_our_own_is_no_healing(bench: Bench) -> None:
    await bench.apply(child(data={"x": "1"}))
    assert (await bench.apply(child(data={"x": "2"}))).healed == []
