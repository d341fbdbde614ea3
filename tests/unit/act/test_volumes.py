"""A claim that may not grow is told in the API server's words and asked again after a while; pods outlive their set."""

from typing import Any

import pytest

from hcs_operator.act.apply import REFUSED_AGAIN, Record
from hcs_operator.act.volumes import grow, remake
from hcs_operator.api.observed import Child, Reason, Snapshot
from hcs_operator.decide.volumes import Growth
from hcs_operator.kube.errors import Refused
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref
from hcs_operator.observe.store import WatchStore

pytestmark = pytest.mark.unit

CLAIM = Ref("PersistentVolumeClaim", "shop", "data-shop-db-0-0")
SET = Child("StatefulSet", "shop-db-0")


class Bench:
    """One claim of 1Gi in a cluster in memory."""

    def __init__(self) -> None:
        self.cluster, self.record = Cluster(), Record()
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        metadata = {"name": CLAIM.name, "namespace": "shop"}
        self.uid = self.cluster.put({"kind": CLAIM.kind, "metadata": metadata, "spec": spec})["metadata"]["uid"]

    async def grow(self, size: str = "2Gi", *, uid: str = "", now: float = 0.0) -> tuple[list[str], list[Reason]]:
        growth = Growth(CLAIM.name, uid or self.uid, size, "allow it, or set it back")
        seen = Snapshot("shop", "shop", now, {})
        return await grow(self.cluster, WatchStore(), seen, self.record, [growth])


async def test_a_claim_gets_the_size_and_keeps_the_rest() -> None:
    bench = Bench()
    assert await bench.grow() == (["PersistentVolumeClaim data-shop-db-0-0: grows to 2Gi"], [])
    assert bench.cluster.objects[CLAIM]["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "2Gi"}},
    }


async def test_a_claim_made_anew_meanwhile_is_left_alone() -> None:
    bench = Bench()
    assert await bench.grow(uid="of-an-earlier-claim") == ([], [])


async def test_a_refusal_is_told_with_the_remedy_and_not_provoked_at_each_look() -> None:
    bench = Bench()
    bench.cluster.refuse[("apply", CLAIM)] = Refused("the storageclass must support resize")
    told = [
        Reason(
            "VolumeCannotGrow",
            "PersistentVolumeClaim data-shop-db-0-0 cannot grow to 2Gi: the storageclass must support resize; "
            "allow it, or set it back",
        )
    ]
    assert await bench.grow() == ([], told)
    assert await bench.grow(now=REFUSED_AGAIN - 1) == ([], told)
    assert len(bench.cluster.writes) == 1
    await bench.grow(now=REFUSED_AGAIN)
    assert len(bench.cluster.writes) == 2
    await bench.grow("3Gi", now=REFUSED_AGAIN)
    assert len(bench.cluster.writes) == 3


async def test_a_set_is_deleted_without_its_pods_and_nobody_is_blamed() -> None:
    cluster, record = Cluster(), Record(known={SET})
    live = cluster.put({"kind": SET.kind, "metadata": {"name": SET.name, "namespace": "shop"}, "spec": {}})
    owners = [{"uid": live["metadata"]["uid"]}]
    metadata: dict[str, Any] = {"name": "shop-db-0-0", "namespace": "shop", "ownerReferences": owners}
    cluster.put({"kind": "Pod", "metadata": metadata})
    done = await remake(cluster, Snapshot("shop", "shop", 0.0, {SET: live}), record, [SET])
    assert done == ["StatefulSet shop-db-0: made again for larger volumes, its pods stay"]
    assert (set(cluster.objects), record.known) == ({Ref("Pod", "shop", "shop-db-0-0")}, set())
