"""The cluster's nodes: how to lose one, and what has to stand elsewhere before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import members
from tests.cluster.conftest import SAMPLES_NAMESPACE, Stack
from tests.cluster.kubectl import Kubectl, docker, in_node, until

_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_IN_MEMORY = ("smtp-sink", "payment-stub")  # what a ledger is held against, gone with its pod
_STORE = "object-store"
# It cordons the node first; by the eviction API, which asks the disruption budgets, and with each pod's own grace.
_DRAIN = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=300s")
_IN, _OUT = (("INPUT", "-i"), ("FORWARD", "-i")), (("OUTPUT", "-o"), ("FORWARD", "-o"))


def hub(kubectl: Kubectl) -> str:
    """The node that the cluster cannot do without: the control plane's."""
    return str(kubectl.items("nodes", _CONTROL_PLANE)[0]["metadata"]["name"])


def hold_the_samples(kubectl: Kubectl) -> None:
    """Has what a ledger is held against on the node that no fault comes to."""
    shop, node = kubectl.inside(SAMPLES_NAMESPACE), hub(kubectl)
    for name in _IN_MEMORY:
        pod_spec = {"nodeSelector": {"kubernetes.io/hostname": node}}
        shop.patch("deployment", name, {"spec": {"template": {"spec": pod_spec}}})
        shop.run("rollout", "status", f"deployment/{name}", "--timeout=300s", timeout=330)
    _hold_the_store(shop, node)


def _hold_the_store(shop: Kubectl, node: str) -> None:
    """Its volume is bound to the node where it was first: elsewhere it begins with another one."""
    (pod,) = shop.items("pods", f"app.kubernetes.io/name={_STORE}")
    if pod["spec"].get("nodeName") == node:
        return
    claim = shop.get("pvc", _STORE)
    assert claim, _STORE
    deployment = f"deployment/{_STORE}"
    shop.run("scale", deployment, "--replicas=0")
    shop.delete("pvc", _STORE)
    spec = {name: claim["spec"][name] for name in ("accessModes", "resources")}
    metadata = {"name": _STORE, "labels": claim["metadata"]["labels"]}
    shop.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
    pod_spec = {"nodeSelector": {"kubernetes.io/hostname": node}}
    shop.patch("deployment", _STORE, {"spec": {"replicas": 1, "template": {"spec": pod_spec}}})
    shop.run("rollout", "status", deployment, "--timeout=300s", timeout=330)


def make_expendable(stack: Stack) -> None:
    """Has the primary on a node that the cluster and the ledger can do without."""
    hold_the_samples(stack.kubectl)
    taken = hub(stack.kubectl)
    if of(stack, members.primary(stack)) == taken:
        members.promote(stack, next(name for name in members.names(stack) if of(stack, name) != taken))


def of(stack: Stack, pod: str) -> str:
    """The node that a pod runs on."""
    document = stack.kubectl.get("pod", pod)
    assert document, pod
    return str(document["spec"]["nodeName"])


@contextmanager
def killed(stack: Stack, pod: str) -> Iterator[None]:
    """The pod's node loses its power, and has it again once the cluster has noticed and the block has ended."""
    node = of(stack, pod)
    docker("kill", node)
    try:
        until(f"{node} is missed", lambda: not _is_ready(stack.kubectl, node) or None, 60)
        yield
    finally:
        docker("start", node)
        until(f"{node} is ready again", lambda: _is_ready(stack.kubectl, node) or None, 90)


@contextmanager
def drained(stack: Stack, pod: str) -> Iterator[None]:
    """The pod's node takes no more pods, and each that may leave has been evicted; it takes pods again once the block has
    ended. Volumes are bound to their node, so a member that was evicted waits for it.
    """
    node = of(stack, pod)
    try:
        stack.kubectl.run("drain", node, *_DRAIN, timeout=330)
        until(f"{pod} is not on {node} any more", lambda: _has_left(stack, pod) or None, 10)
        yield
    finally:
        stack.kubectl.run("uncordon", node)


def _has_left(stack: Stack, pod: str) -> bool:
    document = stack.kubectl.get("pod", pod)
    return document is None or "nodeName" not in document["spec"]


@contextmanager
def cut_off(stack: Stack, pod: str) -> Iterator[None]:
    """Nothing reaches the pod's node and nothing leaves it while the block runs."""
    with _dropping(of(stack, pod), *_IN, *_OUT):
        yield


@contextmanager
def muted(stack: Stack, pod: str) -> Iterator[None]:
    """Everything reaches the pod's node and nothing leaves it while the block runs."""
    with _dropping(of(stack, pod), *_OUT):
        yield


@contextmanager
def _dropping(node: str, *ways: tuple[str, str]) -> Iterator[None]:
    for chain, direction in ways:
        in_node(node, "iptables", "--insert", chain, direction, "eth0", "--jump", "DROP")
    try:
        yield
    finally:
        for chain, direction in ways:
            in_node(node, "iptables", "--delete", chain, direction, "eth0", "--jump", "DROP")


def _is_ready(kubectl: Kubectl, node: str) -> bool:
    document = kubectl.get("node", node)
    assert document, node
    conditions = document["status"]["conditions"]
    return any(it["type"] == "Ready" and it["status"] == "True" for it in conditions)
