"""The chart goes and the users' resources stay; put back, the operator takes up where it was."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from tests.cluster.conftest import OPERATOR_NAMESPACE, Stack
from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.chaos


def test_helm_uninstall_leaves_the_definition_and_the_stacks(shop: Stack, kubectl: Kubectl) -> None:
    before = {pod["metadata"]["uid"] for pod in shop.kubectl.pods("shop", "gateway")}
    helm = shutil.which("helm", path=os.environ.get("HCS_TEST_PATH", os.environ["PATH"]))
    assert helm, "helm is not on PATH"

    def run(*arguments: str) -> str:
        command = [helm, "--kubeconfig", str(kubectl.kubeconfig), "--namespace", OPERATOR_NAMESPACE, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=180).stdout

    values = run("get", "values", "hcs", "--output=yaml")
    run("uninstall", "hcs", "--wait")
    assert kubectl.get("crd", "highconcurrencystacks.highconcurrency.dev")
    assert shop.resource()["metadata"]["name"] == "shop"
    assert {pod["metadata"]["uid"] for pod in shop.kubectl.pods("shop", "gateway")} == before
    command = [helm, "--kubeconfig", str(kubectl.kubeconfig), "--namespace", OPERATOR_NAMESPACE]
    subprocess.run(
        [*command, "install", "hcs", "charts/hcs-operator", "--values=-", "--wait", "--timeout=120s"],
        input=values,
        text=True,
        check=True,
        timeout=180,
    )
    shop.until_ready()
    assert {pod["metadata"]["uid"] for pod in shop.kubectl.pods("shop", "gateway")} == before
