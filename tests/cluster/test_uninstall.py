"""The chart goes and the users' resources stay; put back, the operator takes up where it was, for one namespace or for all."""

from __future__ import annotations

import pytest
from tests.cluster.conftest import SAMPLES_NAMESPACE, Stack
from tests.cluster.helm import CHART, RELEASE, WAIT, Release, found, helm, put_back
from tests.cluster.kubectl import Kubectl, until

pytestmark = pytest.mark.cluster


@pytest.fixture
def release(kubectl: Kubectl) -> Release:
    """What the operator was installed with."""
    return found(kubectl)


def test_an_uninstalled_operator_leaves_definition_and_stacks_and_one_for_a_namespace_takes_over(
    shop: Stack, kubectl: Kubectl, release: Release
) -> None:
    before = _gateways(shop)
    helm(kubectl, "uninstall", RELEASE, "--wait")
    assert kubectl.get("crd", "highconcurrencystacks.highconcurrency.dev")
    assert shop.resource()["metadata"]["name"] == "shop"
    assert _gateways(shop) == before

    narrow = f"--set=watchNamespaces={{{SAMPLES_NAMESPACE}}}"
    helm(kubectl, "install", RELEASE, CHART, "--values=-", narrow, *WAIT, stdin=release.values)
    assert not kubectl.items("clusterroles", "app.kubernetes.io/name=hcs-operator"), "no right beyond the namespace"
    shop.kubectl.delete("poddisruptionbudget", "shop-gateway")
    until("the budget is there again", lambda: shop.kubectl.get("poddisruptionbudget", "shop-gateway"), 60)

    put_back(kubectl, release)
    shop.until_ready()
    assert _gateways(shop) == before


def _gateways(stack: Stack) -> set[str]:
    return {pod["metadata"]["uid"] for pod in stack.kubectl.pods(stack.name, "gateway")}
