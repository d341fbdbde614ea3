"""The real client keeps the port's contract against a real API server."""

import pytest
from tests.unit.kube.contract import KubeContract

pytestmark = pytest.mark.apiserver


class TestClient(KubeContract):
    """Fixtures come from this folder's conftest."""
