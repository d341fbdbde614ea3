"""One part after another is killed under one steady load of orders and tasks; afterwards every sum must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until
from tests.cluster.ledger import Ledger

pytestmark = pytest.mark.cluster


def first(stack: Stack, component: str) -> str:
    """A tier's first pod."""
    return str(stack.kubectl.pods(stack.name, component)[0]["metadata"]["name"])


def busy_worker(stack: Stack) -> str:
    """A worker with a task in its hands."""

    def look() -> str | None:
        for pod in stack.kubectl.pods(stack.name, "worker"):
            name = str(pod["metadata"]["name"])
            if stack.kubectl.shown(name, 9090, "inflight").get("inflight"):
                return name
        return None

    return until("a worker is busy", look, 60, every=0.1)


FAULTS: dict[str, tuple[str, Callable[[Stack], str]]] = {
    "the cache is killed": ("redis", lambda stack: first(stack, "cache")),
    "the queue is killed": ("rabbitmq", lambda stack: first(stack, "queue")),
    "a busy worker is killed": ("worker", busy_worker),
    "a gateway is killed": ("gateway", lambda stack: first(stack, "gateway")),
    "a reader is killed": ("mysqld", lambda stack: first(stack, "replica")),
}


@pytest.fixture(autouse=True)
def slow_payments(load: Ledger) -> Iterator[None]:
    """Payments take half a second, so that a worker is seen with a task in its hands."""
    usual, load.token = load.token, "tok_slow_500"
    yield
    load.token = usual


@pytest.mark.parametrize(("name", "container", "choose"), [(name, *what) for name, what in FAULTS.items()], ids=FAULTS)
def test_orders_and_tasks_go_on_when(
    name: str, container: str, choose: Callable[[Stack], str], shop: Stack, load: Ledger
) -> None:
    with load.during(name):
        pod = choose(shop)
        shop.kubectl.signal_container(pod, container)
        print(f"    hit {pod}")
        load.until_acknowledged(100, "since", 120)
        shop.until_ready(90)
