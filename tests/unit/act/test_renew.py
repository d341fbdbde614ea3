"""The annotation goes on that very pod and takes nothing else from it."""

import pytest
from tests.unit.status.seen import pod

from hcs_operator.act.renew import renew
from hcs_operator.api.observed import Snapshot
from hcs_operator.decide.renewal import RENEWED
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import CHILDREN, Ref

pytestmark = pytest.mark.unit


async def made(cluster: Cluster, name: str) -> str:
    metadata = {"name": name, "namespace": "shop", "annotations": {"users": "own"}}
    found = await cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}, manager=CHILDREN)
    return str(found["metadata"]["uid"])


async def test_a_pod_gets_the_annotation_beside_its_others() -> None:
    cluster = Cluster()
    view = pod("write-api", name="p", uid=await made(cluster, "p"))
    done = await renew(cluster, Snapshot("shop", "shop", 0.0, {}, pods=(view,)), {"p": "uid-of-a-secret"})
    annotations = cluster.objects[Ref("Pod", "shop", "p")]["metadata"]["annotations"]
    assert annotations == {"users": "own", RENEWED: "uid-of-a-secret"}
    assert done == ["Pod p: mounts a Secret that was made anew"]


async def test_a_successor_of_that_name_is_left_alone() -> None:
    cluster = Cluster()
    await made(cluster, "p")
    view = pod("write-api", name="p", uid="of-an-earlier-pod")
    assert await renew(cluster, Snapshot("shop", "shop", 0.0, {}, pods=(view,)), {"p": "x"}) == []
    assert cluster.objects[Ref("Pod", "shop", "p")]["metadata"]["annotations"] == {"users": "own"}
