"""`make up` again, on what it left: nothing is written but one more order, and it takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pytest
from hack.cluster import places
from tests.cluster.conftest import OPERATOR_NAMESPACE, ROOT, SAMPLES_NAMESPACE, Stack
from tests.cluster.kubectl import Kubectl
from tests.slack import SLACK

pytestmark = pytest.mark.cluster

AGAIN_SECONDS = 30


def test_a_second_make_up_changes_nothing(shop: Stack, kubectl: Kubectl) -> None:
    if kubectl.kubeconfig.resolve() != places.KUBECONFIG.resolve():
        pytest.fail(f"{kubectl.kubeconfig} is not this tree's: `make up` would change another cluster", pytrace=False)
    shop.until_ready()
    shop.until_condition("Reconciling", "False", 120)
    before = _what_is_there(shop, kubectl)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "hack.cluster", "up"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "HCS_KUBECONFIG"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=AGAIN_SECONDS * SLACK,
    )
    print(f"    the second `make up` took {time.monotonic() - started:.1f} s")
    assert done.returncode == 0, done.stdout
    assert _what_is_there(shop, kubectl) == before, done.stdout


def _what_is_there(shop: Stack, kubectl: Kubectl) -> dict[str, Any]:
    """The generation of the stack and of everything that runs pods, the pods themselves, and Helm's revisions.

    Workers come and go with the order that `make up` places, and migrations are gone some time after they ended.
    """
    known: dict[str, Any] = {"stack": shop.resource()["metadata"]["generation"]}
    for namespace in (SAMPLES_NAMESPACE, OPERATOR_NAMESPACE):
        inside = kubectl.inside(namespace)
        for found in inside.items("deployments,statefulsets", "app.kubernetes.io/component notin (worker)"):
            name = f"{namespace}/{found['kind']} {found['metadata']['name']}"
            known[name] = found["metadata"]["generation"]
        for pod in inside.items("pods", "app.kubernetes.io/component notin (worker,migrate)"):
            if "deletionTimestamp" not in pod["metadata"]:
                known[f"{namespace}/Pod {pod['metadata']['name']}"] = pod["metadata"]["uid"]
        for revision in inside.items("secrets", "owner=helm"):
            known[f"{namespace}/Secret {revision['metadata']['name']}"] = revision["metadata"]["uid"]
    return known
