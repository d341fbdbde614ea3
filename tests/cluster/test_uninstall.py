"""The chart goes and the users' resources stay; put back, the operator takes up where it was, for one namespace or for all."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from tests.cluster.conftest import OPERATOR_NAMESPACE, SAMPLES_NAMESPACE, Stack
from tests.cluster.kubectl import Kubectl, until

pytestmark = pytest.mark.cluster


@pytest.fixture
def values(kubectl: Kubectl) -> str:
    """The values that the operator was installed with."""
    return _helm(kubectl, "get", "values", "hcs", "--output=yaml")


def test_an_uninstalled_operator_leaves_definition_and_stacks_and_one_for_a_namespace_takes_over(
    shop: Stack, kubectl: Kubectl, values: str
) -> None:
    before = _gateways(shop)
    _helm(kubectl, "uninstall", "hcs", "--wait")
    assert kubectl.get("crd", "highconcurrencystacks.highconcurrency.dev")
    assert shop.resource()["metadata"]["name"] == "shop"
    assert _gateways(shop) == before

    chart = ("hcs", "charts/hcs-operator", "--values=-", "--wait", "--timeout=120s")
    _helm(kubectl, "install", *chart, f"--set=watchNamespaces={{{SAMPLES_NAMESPACE}}}", stdin=values)
    assert not kubectl.items("clusterroles", "app.kubernetes.io/name=hcs-operator"), "no right beyond the namespace"
    shop.kubectl.delete("poddisruptionbudget", "shop-gateway")
    until("the budget is there again", lambda: shop.kubectl.get("poddisruptionbudget", "shop-gateway"), 60)

    _helm(kubectl, "upgrade", *chart, stdin=values)
    shop.until_ready()
    assert _gateways(shop) == before


def _gateways(stack: Stack) -> set[str]:
    return {pod["metadata"]["uid"] for pod in stack.kubectl.pods(stack.name, "gateway")}


def _helm(kubectl: Kubectl, *arguments: str, stdin: str | None = None) -> str:
    helm = shutil.which("helm", path=os.environ.get("HCS_TEST_PATH", os.environ["PATH"]))
    assert helm, "helm is not on PATH"
    command = [helm, "--kubeconfig", str(kubectl.kubeconfig), "--namespace", OPERATOR_NAMESPACE, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}"
    return done.stdout
