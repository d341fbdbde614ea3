"""A control plane for the whole session (for each of the processes that share the tests); a namespace, a kubelet and
operators for each test.
"""

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml

from hcs_operator.kube.aio import Client, configuration
from hcs_operator.kube.errors import KubeError
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import STACK_KIND

from .control_plane import ControlPlane, until
from .kubelet import Kubelet
from .stage import ROOT, Stage

CRD = ROOT / "crds" / "highconcurrencystacks.yaml"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits longest comes first, that the rest is done beside it."""
    items.sort(key=lambda item: "test_rest" not in item.nodeid)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"))
    try:
        plane.start()
        asyncio.run(_define(plane))
        plane.start_controllers()
        asyncio.run(_control(plane))
        yield plane
    finally:
        plane.stop()
        shutil.rmtree(plane.folder / "etcd", ignore_errors=True)


async def _define(plane: ControlPlane) -> None:
    """Have the generated definition served."""
    client = Client(await configuration(str(plane.kubeconfig("player"))), "test")

    async def served() -> bool:
        try:
            await client.list(STACK_KIND, "default")
        except KubeError:
            return False
        return True

    try:
        await client._request("POST", DEFINITIONS, body=yaml.safe_load(CRD.read_text()))
        await until(served, 30, "the API server serves the definition")
    finally:
        await client.close()


async def _control(plane: ControlPlane) -> None:
    """Have the controllers at work: the garbage collector begins last."""
    client = Client(await configuration(str(plane.kubeconfig("player"))), "test")
    try:
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": str(uuid.uuid4())}
        metadata = {"name": "orphan", "namespace": await new_namespace(client), "ownerReferences": [owner]}
        orphan = await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

        async def collected() -> bool:
            return await client.get(Ref.to(orphan)) is None

        await until(collected, 60, "the garbage collector takes an orphan away")
    finally:
        await client.close()


@pytest.fixture
async def kube(control_plane: ControlPlane) -> AsyncIterator[Client]:
    client = Client(await configuration(str(control_plane.kubeconfig("player"))), "test")
    yield client
    await client.close()


async def new_namespace(kube: Client) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    await kube._request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    return name


@pytest.fixture
async def namespace(kube: Client) -> str:
    return await new_namespace(kube)


@pytest.fixture
async def bare_stage(control_plane: ControlPlane, kube: Client, namespace: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A namespace without a kubelet: pods stay Pending."""
    stage = Stage(control_plane, kube, namespace, tmp_path)
    yield stage
    stage.end()


@pytest.fixture
async def stage(bare_stage: Stage) -> AsyncIterator[Stage]:
    """A namespace whose pods all run."""
    async with Kubelet(bare_stage.kube, bare_stage.namespace):
        yield bare_stage
