"""The operator killed, upgraded, paused; a namespace that goes in mid-creation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from tests.cluster.conftest import OPERATOR_NAMESPACE, Stack, resource
from tests.cluster.helm import CHART, RELEASE, WAIT, found, helm, put_back
from tests.cluster.kubectl import Kubectl, stays, until

from hcs_operator.kube.resources import WATCHED_KINDS

pytestmark = pytest.mark.cluster


def test_a_killed_operator_is_followed_by_the_other_replica(shop: Stack, kubectl: Kubectl) -> None:
    inside = kubectl.inside(OPERATOR_NAMESPACE)
    leader = until("an operator leads", lambda: _leader(inside), 60)
    inside.signal_container(leader, "operator")
    shop.kubectl.delete("poddisruptionbudget", "shop-read-api")
    until("the budget is there again", lambda: shop.kubectl.get("poddisruptionbudget", "shop-read-api"), 60)
    shop.until_ready()


def test_a_paused_stack_is_reported_and_not_changed(namespace: Kubectl) -> None:
    namespace.apply(resource("still", {"paused": True}))
    stack = Stack("still", namespace, "")
    stack.until_condition("Paused", "True", 30)
    kinds = ",".join((*WATCHED_KINDS, "ReplicaSet"))
    stays("no child is made", lambda: not namespace.items(kinds, "highconcurrency.dev/stack=still"), 10)


def test_a_namespace_deleted_in_the_middle_of_a_creation_goes(kubectl: Kubectl) -> None:
    name = f"brief-{int(time.time())}"
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    inside = kubectl.inside(name)
    inside.apply(resource("brief"))
    until("the creation has begun", lambda: inside.items("statefulsets"), 30)
    kubectl.delete("namespace", name, wait=False)
    until("the namespace is gone", lambda: kubectl.get("namespace", name) is None or None, 90)


def test_a_new_operator_release_restarts_no_pod_of_a_users(shop: Stack, small: Stack, kubectl: Kubectl) -> None:
    small.become({})
    stacks = (shop, small)
    for stack in stacks:
        stack.until_ready()
    pods, templates = [stack.uids() for stack in stacks], [_templates(stack) for stack in stacks]
    assert not small.resource()["spec"].get("images"), "a stack that names its images proves nothing"
    with _next_release(kubectl) as images:
        assert set(images.values()) <= _operators_images(kubectl)
        stays("no pod is replaced", lambda: [stack.uids() for stack in stacks] == pods, 20)
        assert [_templates(stack) for stack in stacks] == templates, "workers at none keep their images too"
        assert not set(images.values()) & set(small.resource()["status"]["images"].values())
    for stack in stacks:
        stack.until_ready()
    assert [stack.uids() for stack in stacks] == pods


@contextmanager
def _next_release(kubectl: Kubectl) -> Iterator[dict[str, str]]:
    """An operator of a release with other images for new stacks, by their names in the chart; undone afterwards."""
    release = found(kubectl)
    images = {name: f"{image}-next" for name, image in yaml.safe_load(release.values)["images"].items()}
    settings = (f"--set-string=images.{name}={image}" for name, image in images.items())
    try:
        helm(kubectl, "upgrade", RELEASE, CHART, "--reuse-values", *settings, *WAIT)
        yield images
    finally:
        put_back(kubectl, release)


def _leader(inside: Kubectl) -> str | None:
    """The pod that holds the Lease; none while one that is gone is still written there."""
    (lease,) = inside.items("leases")
    pods = {pod["metadata"]["name"] for pod in inside.items("pods", "app.kubernetes.io/name=hcs-operator")}
    holder = str(lease["spec"].get("holderIdentity", ""))
    return holder if holder in pods else None


def _templates(stack: Stack) -> dict[str, Any]:
    """The pod template of each Deployment and StatefulSet of a stack."""
    kinds = stack.kubectl.items("deployments,statefulsets", f"highconcurrency.dev/stack={stack.name}")
    return {f"{kind['kind']} {kind['metadata']['name']}": kind["spec"]["template"] for kind in kinds}


def _operators_images(kubectl: Kubectl) -> set[str]:
    """The images that the operator gives to new stacks."""
    (deployment,) = kubectl.inside(OPERATOR_NAMESPACE).items("deployments", "app.kubernetes.io/name=hcs-operator")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {entry["value"] for entry in container["env"] if entry["name"].startswith("HCS_IMAGE_")}
