"""A control plane for the whole session, and an administrator's client to it."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hcs_operator.kube.aio import Client, configuration

from .control_plane import ControlPlane

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


@pytest.fixture
async def kube(control_plane: ControlPlane) -> AsyncIterator[Client]:
    client = Client(await configuration(str(control_plane.kubeconfig("player"))), "test")
    yield client
    await client.close()


@pytest.fixture
async def namespace(kube: Client) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    await kube._request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    return name
