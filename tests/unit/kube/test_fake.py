"""The fake keeps the port's contract, and collects what an owner leaves behind."""

import pytest

from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref

from .contract import KubeContract, config_map

pytestmark = pytest.mark.unit


class TestFakeCluster(KubeContract):
    @pytest.fixture
    def kube(self) -> Cluster:
        return Cluster()

    @pytest.fixture
    def namespace(self) -> str:
        return "shop"

    async def test_what_an_object_owns_goes_with_it(self, kube: Cluster, namespace: str) -> None:
        owner = await kube.apply({**config_map(namespace), "metadata": {"name": "owner", "namespace": namespace}})
        child = config_map(namespace)
        child["metadata"]["ownerReferences"] = [{"uid": owner["metadata"]["uid"]}]
        await kube.apply(child)
        await kube.delete(Ref("ConfigMap", namespace, "owner"), owner["metadata"]["uid"])
        assert kube.objects == {}
