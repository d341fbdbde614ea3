"""The real client keeps the port's contract against a real API server."""

import copy
import uuid
from typing import Any

import pytest
from tests.apiserver.control_plane import until
from tests.unit.kube.contract import KubeContract

from hcs_operator.kube.port import Kube, Ref

pytestmark = pytest.mark.apiserver


class TestClient(KubeContract):
    """Fixtures come from this folder's conftest."""

    async def collector_has_seen(self, kube: Kube, document: dict[str, Any]) -> None:
        """It hears of a kind's objects in their order, and takes one whose owner never was."""
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "never", "uid": str(uuid.uuid4())}
        later = copy.deepcopy(document)
        later["metadata"] |= {"name": "later", "ownerReferences": [owner]}
        await kube.apply(later)

        async def gone() -> bool:
            return await kube.get(Ref(later["kind"], later["metadata"]["namespace"], "later")) is None

        await until(gone, 30, "an object made later is collected")
