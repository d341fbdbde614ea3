"""The operator at rest, killed, upgraded, paused; two stacks side by side; a namespace that goes in mid-creation."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.cluster.conftest import OPERATOR_NAMESPACE, SAMPLES_NAMESPACE, Stack, resource
from tests.cluster.kubectl import Kubectl, in_node, stays, until

pytestmark = pytest.mark.cluster

AUDIT_LOG = "/var/log/kubernetes/audit.log"
REST_SECONDS = 60


def test_at_rest_the_operator_writes_nothing_but_its_lease(shop: Stack, kubectl: Kubectl) -> None:
    shop.until_ready()
    until("workers are at rest", lambda: not shop.kubectl.pods("shop", "worker"), 180)
    until("nothing but Leases for 10 s", lambda: all(_is_lease(write) for write in _writes_for(10)), 120)
    writes = _writes_for(REST_SECONDS)
    leases = [write for write in writes if _is_lease(write)]
    others = [
        f"{w['verb']} {w['objectRef'].get('resource')}/{w['objectRef'].get('name')}" for w in writes if w not in leases
    ]
    print(f"    {len(leases)} Lease renewals, {len(others)} other writes in {REST_SECONDS} s")
    assert not others
    assert len(leases) <= REST_SECONDS / 5 + 1
    assert not shop.resource()["metadata"].get("finalizers")


def test_a_killed_operator_is_followed_by_the_other_replica(shop: Stack, kubectl: Kubectl) -> None:
    inside = kubectl.inside(OPERATOR_NAMESPACE)
    leader = _leader(inside)
    inside.signal_container(leader, "operator")
    shop.kubectl.delete("poddisruptionbudget", "shop-read-api")
    until("the budget is there again", lambda: shop.kubectl.get("poddisruptionbudget", "shop-read-api"), 60)
    shop.until_ready()


def test_a_new_operator_release_restarts_no_pod_of_a_users(shop: Stack, kubectl: Kubectl) -> None:
    before = _uids(shop)
    inside = kubectl.inside(OPERATOR_NAMESPACE)
    deployment = inside.items("deployments", "app.kubernetes.io/name=hcs-operator")[0]
    name = deployment["metadata"]["name"]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    environment = [e for e in container["env"] if "IMAGE" in e["name"]]
    renamed = [{**e, "value": e["value"] + "-next"} for e in environment]
    inside.run("set", "env", f"deployment/{name}", *(f"{e['name']}={e['value']}" for e in renamed))
    inside.run("rollout", "status", f"deployment/{name}", "--timeout=180s", timeout=200)
    stays("no pod is replaced", lambda: _uids(shop) == before, 20)
    inside.run("set", "env", f"deployment/{name}", *(f"{e['name']}={e['value']}" for e in environment))
    inside.run("rollout", "status", f"deployment/{name}", "--timeout=180s", timeout=200)
    shop.until_ready()
    assert _uids(shop) == before


def test_two_stacks_whose_names_share_a_prefix_do_not_touch_each_other(
    namespace: Kubectl, reach: Callable[[Kubectl, str], Stack]
) -> None:
    namespace.apply(resource("web"), resource("web-db"))
    first, second = reach(namespace, "web"), reach(namespace, "web-db")
    before = _uids(second)
    namespace.delete("hcs", "web")
    until("the first one's pods are gone", lambda: not namespace.items("pods", "highconcurrency.dev/stack=web"), 90)
    assert _uids(second) == before
    assert second.is_ready()
    assert not namespace.items("services", "highconcurrency.dev/stack=web")
    assert first.name == "web"


def test_a_paused_stack_is_reported_and_not_changed(namespace: Kubectl) -> None:
    namespace.apply(resource("still", {"paused": True}))
    stack = Stack("still", namespace, "")
    stack.until_condition("Paused", "True", 30)
    stays(
        "no child is made",
        lambda: not namespace.items("deployments,statefulsets,services", "highconcurrency.dev/stack=still"),
        10,
    )


def test_a_namespace_deleted_in_the_middle_of_a_creation_goes(kubectl: Kubectl) -> None:
    name = f"brief-{int(time.time())}"
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    inside = kubectl.inside(name)
    inside.apply(resource("brief"))
    until("the creation has begun", lambda: inside.items("statefulsets"), 30)
    kubectl.delete("namespace", name, wait=False)
    until("the namespace is gone", lambda: kubectl.get("namespace", name) is None or None, 90)


@pytest.fixture
def recommending(namespace: Kubectl, reach: Callable[[Kubectl, str], Stack]) -> Stack:
    """A stack whose autoscaler only recommends, with two workers set by hand."""
    namespace.apply(resource("advised", {"autoscaling": {"mode": "Recommend"}}))
    return reach(namespace, "advised")


def test_recommending_writes_no_count(recommending: Stack) -> None:
    kubectl = recommending.kubectl
    kubectl.run("scale", "deployment", "advised-worker", "--replicas=2")
    stays("the count stays", lambda: _replicas(kubectl) == 2, 30)
    assert recommending.resource()["status"]["workers"]["desired"] < 2, "what it would do is told all the same"
    assert recommending.condition("AutoscalingActive")["reason"] == "Recommend"


def _is_lease(write: dict[str, Any]) -> bool:
    return bool(write["objectRef"].get("resource") == "leases")


def _replicas(kubectl: Kubectl) -> int | None:
    deployment = kubectl.get("deployment", "advised-worker")
    return deployment["spec"]["replicas"] if deployment else None


def _leader(inside: Kubectl) -> str:
    lease = inside.items("leases")[0]
    return str(lease["spec"]["holderIdentity"])


def _uids(stack: Stack) -> set[str]:
    """Every pod of a stack except workers, which come and go with the load."""
    pods = stack.kubectl.items(
        "pods", f"highconcurrency.dev/stack={stack.name},app.kubernetes.io/component notin (worker,migrate)"
    )
    return {pod["metadata"]["uid"] for pod in pods}


def _writes_for(seconds: float) -> list[dict[str, Any]]:
    """The operator's writes about the sample stack and itself that the audit log gained while waiting so long."""
    node = "hcs-control-plane"
    start = int(in_node(node, "sh", "-c", f"wc -l < {AUDIT_LOG}"))
    time.sleep(seconds)
    lines = in_node(node, "tail", "-n", f"+{start + 1}", AUDIT_LOG).splitlines()
    entries = [json.loads(line) for line in lines]
    return [
        entry
        for entry in entries
        if entry["user"]["username"].startswith(f"system:serviceaccount:{OPERATOR_NAMESPACE}:")
        and entry["verb"] in {"create", "update", "patch", "delete", "deletecollection"}
        and entry["objectRef"].get("namespace") in {SAMPLES_NAMESPACE, OPERATOR_NAMESPACE}
    ]
