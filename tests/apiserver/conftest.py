"""A control plane for the whole session; a namespace, a kubelet and operators for each test."""

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml

from hcs_operator.kube.aio import Client, configuration
from hcs_operator.kube.errors import Conflict, KubeError, NotFound

from .control_plane import ControlPlane
from .kubelet import Kubelet
from .stage import ROOT, Stage

CRD = ROOT / "crds" / "highconcurrencystacks.yaml"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
        shutil.rmtree(plane.folder / "etcd", ignore_errors=True)


@pytest.fixture
async def kube(control_plane: ControlPlane) -> AsyncIterator[Client]:
    client = Client(await configuration(str(control_plane.kubeconfig("player"))), "test")
    yield client
    await client.close()


@pytest.fixture
async def crd(kube: Client) -> None:
    """The generated definition, served."""
    definition = yaml.safe_load(CRD.read_text())
    try:
        await kube._request("POST", DEFINITIONS, body=definition)
    except Conflict:
        return
    for _ in range(300):
        try:
            await kube.list("HighConcurrencyStack")
        except (KubeError, NotFound):
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError("the API server does not serve the definition")


@pytest.fixture
async def namespace(kube: Client) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    await kube._request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    return name


@pytest.fixture
async def bare_stage(
    control_plane: ControlPlane, kube: Client, crd: None, namespace: str, tmp_path: Path
) -> AsyncIterator[Stage]:
    """A namespace without a kubelet: pods stay Pending."""
    stage = Stage(control_plane, kube, namespace, tmp_path)
    yield stage
    stage.end()


@pytest.fixture
async def stage(bare_stage: Stage) -> AsyncIterator[Stage]:
    """A namespace whose pods all run."""
    async with Kubelet(bare_stage.kube):
        yield bare_stage
