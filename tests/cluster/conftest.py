"""Stacks on a real cluster: the sample stack as `make up` leaves it, and stacks of a test's own in namespaces of their own."""

from __future__ import annotations

import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.kubectl import Kubectl, condition, until
from tests.cluster.ledger import Ledger
from tests.cluster.outside import Bucket, Outside

from hcs_services.object_store.sigv4 import Credentials

ROOT = Path(__file__).parents[2]
GATEWAY, SINK, STUB, STORE = (f"http://127.0.0.1:{port}" for port in (8080, 8081, 8082, 8083))
SAMPLES_NAMESPACE = "shop"
OPERATOR_NAMESPACE = "hcs-system"
FIRST = ("test_images", "test_daemon_remains", "small_stack", "test_at_rest", "under_load")


@dataclass(frozen=True)
class Stack:
    """A stack that a test talks to."""

    name: str
    kubectl: Kubectl
    gateway: str  # base URL

    def resource(self) -> dict[str, Any]:
        """The custom resource as it is now."""
        document = self.kubectl.get("hcs", self.name)
        assert document, f"no stack {self.name}"
        return document

    def condition(self, kind: str) -> dict[str, Any]:
        """One of its conditions."""
        return condition(self.resource(), kind)

    def is_ready(self) -> bool:
        """Whether it says Ready=True for its current spec."""
        document = self.resource()
        current = document.get("status", {}).get("observedGeneration") == document["metadata"]["generation"]
        return current and condition(document, "Ready").get("status") == "True"

    def until_ready(self, seconds: float = 120) -> None:
        """Waits for Ready=True; a failure carries the condition's own words."""
        until(f"{self.name} is Ready", lambda: self.is_ready() or None, seconds)

    def until_condition(self, kind: str, status: str, seconds: float) -> dict[str, Any]:
        """Waits until a condition has a status, and answers it."""
        return until(
            f"{self.name} says {kind}={status}",
            lambda: found if (found := self.condition(kind)).get("status") == status else None,
            seconds,
        )

    def uids(self) -> set[str]:
        """Every pod that stays: no worker and no migration, which come and go by themselves, and none on its way out."""
        pods = self.kubectl.items(
            "pods", f"highconcurrency.dev/stack={self.name},app.kubernetes.io/component notin (worker,migrate)"
        )
        return {pod["metadata"]["uid"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}

    def patch(self, spec: dict[str, Any], *, check: bool = True) -> str:
        """Changes the spec as `kubectl patch` does."""
        return self.kubectl.patch("hcs", self.name, {"spec": spec}, check=check)

    def become(self, spec: dict[str, Any]) -> None:
        """Has it be a small stack with these changes and no others, as `kubectl apply` does; waits for all its rollouts."""
        self.kubectl.apply(resource(self.name, spec))
        self.until_ready()
        self.until_condition("Reconciling", "False", 120)

    def log(self, component: str, since: datetime) -> list[str]:
        """The lines that a tier's pods have logged since then, pod after pod."""
        pods = self.kubectl.pods(self.name, component)
        options = (f"--since-time={since.isoformat()}", "--tail=-1")
        return [
            line for pod in pods for line in self.kubectl.run("logs", pod["metadata"]["name"], *options).splitlines()
        ]

    def ledger(self) -> Ledger:
        """A new ledger over this stack and the samples."""
        access, hidden = (self.kubectl.secret("object-store", key) for key in ("access-key", "secret-key"))
        bucket = Bucket(STORE, "shop", Credentials(access, hidden)) if access else None
        return Ledger(self.gateway, Outside(SINK, STUB, bucket))

    @contextmanager
    def under_load(self) -> Iterator[Ledger]:
        """Orders and tasks go on while the block runs, half as many as `make chaos` sends, so that a small machine keeps
        up; at least 200 are acknowledged before and after it, and then every sum is asserted.
        """
        ledger = self.ledger()
        with ledger.trickle(10, 2.5):
            yield ledger
        print(f"    {ledger.settle_and_balance()}")


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """The project's own cluster; never the user's current context."""
    kubeconfig = Path(os.environ.get("HCS_TEST_KUBECONFIG", ROOT / ".kube" / "config"))
    binary = shutil.which("kubectl", path=os.environ.get("HCS_TEST_PATH", os.environ["PATH"]))
    if not kubeconfig.exists() or not binary:
        pytest.fail(f"no cluster of ours at {kubeconfig}: run `make up` first", pytrace=False)
    return Kubectl(Path(binary), kubeconfig)


@pytest.fixture(scope="session")
def shop(kubectl: Kubectl) -> Stack:
    """The sample stack, on the node ports of 127.0.0.1."""
    stack = Stack("shop", kubectl.inside(SAMPLES_NAMESPACE), GATEWAY)
    stack.until_ready()
    return stack


@pytest.fixture(scope="session")
def node_address(kubectl: Kubectl) -> str:
    """The address of a node that only a fault test may stop."""
    addresses = kubectl.items("nodes")[0]["status"]["addresses"]
    return str(next(address["address"] for address in addresses if address["type"] == "InternalIP"))


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A namespace of the test's own, gone afterwards."""
    with own_namespace(kubectl) as inside:
        yield inside


@pytest.fixture(scope="module")
def module_namespace(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A namespace that the tests of one module share."""
    with own_namespace(kubectl) as inside:
        yield inside


@contextmanager
def own_namespace(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A namespace while the block runs."""
    name = f"test-{uuid.uuid4().hex[:6]}"
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        }
    )
    try:
        yield kubectl.inside(name)
    finally:
        kubectl.delete("namespace", name, wait=False)


@contextmanager
def without_operator(kubectl: Kubectl) -> Iterator[None]:
    """No operator runs while the block does."""
    inside = kubectl.inside(OPERATOR_NAMESPACE)
    (deployment,) = inside.items("deployments", "app.kubernetes.io/name=hcs-operator")
    name, replicas = deployment["metadata"]["name"], deployment["spec"]["replicas"]
    inside.run("scale", f"deployment/{name}", "--replicas=0")
    try:
        until("the operator is away", lambda: not inside.items("pods", "app.kubernetes.io/name=hcs-operator"), 60)
        yield
    finally:
        inside.run("scale", f"deployment/{name}", f"--replicas={replicas}")
        inside.run("rollout", "status", f"deployment/{name}", "--timeout=300s", timeout=330)


@pytest.fixture
def operator_away(kubectl: Kubectl) -> Iterator[None]:
    """No operator runs while the test does."""
    with without_operator(kubectl):
        yield


SMALL: dict[str, Any] = {
    "gateway": {"replicas": 1, "service": {"type": "NodePort"}, "rateLimit": {"enabled": False}},
    "writeApi": {"replicas": 1},
    "asyncApi": {"replicas": 1},
    "readApi": {"replicas": 1},
    "workers": {
        "concurrency": 4,
        "prefetch": 4,
        "handlers": {
            "email": {"url": f"smtp://smtp-sink.{SAMPLES_NAMESPACE}.svc.cluster.local:1025"},
            "payment": {"url": f"http://payment-stub.{SAMPLES_NAMESPACE}.svc.cluster.local:8082"},
        },
    },
    "database": {"storage": {"size": "1Gi", "reclaim": "Delete"}},
}


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`base` with `change` laid over it, mappings merged."""
    result = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def resource(name: str, spec: dict[str, Any] | None = None) -> dict[str, Any]:
    """A small stack's custom resource."""
    return {
        "apiVersion": "highconcurrency.dev/v1alpha1",
        "kind": "HighConcurrencyStack",
        "metadata": {"name": name},
        "spec": merged(SMALL, spec or {}),
    }


@pytest.fixture(scope="session")
def reach(node_address: str) -> Callable[[Kubectl, str], Stack]:
    """Makes a Stack of one that is applied and Ready, reached by its node port."""

    def make(kubectl: Kubectl, name: str) -> Stack:
        stack = Stack(name, kubectl, "")
        stack.until_ready(300)
        service = kubectl.get("service", f"{name}-gateway")
        assert service, name
        port = next(port["nodePort"] for port in service["spec"]["ports"] if port["name"] == "http")
        # A Service's port is there once the node's own proxy has heard of it, which no stack can know.
        until(f"node port {port} answers", lambda: _answers(node_address, port), 30)
        return Stack(name, kubectl, f"http://{node_address}:{port}")

    return make


def _answers(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks little of the sample stack comes first: meanwhile the first order's workers go, and the operator is at rest
    for the test of that; all else leaves work behind, and comes after that. The faults leave logs and events, which the
    test of secrecy reads.
    """
    items.sort(key=lambda item: next((n for n, name in enumerate(FIRST) if name in item.nodeid), len(FIRST)))


@pytest.fixture(autouse=True)
def step(request: pytest.FixtureRequest) -> Iterator[None]:
    """Prints each test's name before and its time after, so that a long rung shows where it is."""
    started = time.monotonic()
    print(f"\n  {request.node.name} …", flush=True)
    yield
    print(f"  {request.node.name}: {time.monotonic() - started:.0f} s", flush=True)
