"""One part after another is killed under one steady load of orders and tasks; afterwards every sum must hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until
from tests.cluster.ledger import Ledger

pytestmark = pytest.mark.cluster


def kill(component: str, container: str) -> Callable[[Stack], str]:
    """Kills the main process of a tier's first pod with -9."""

    def fault(stack: Stack) -> str:
        pod = str(stack.kubectl.pods(stack.name, component)[0]["metadata"]["name"])
        stack.kubectl.signal_container(pod, container)
        return pod

    return fault


FAULTS = {
    "the cache is killed": kill("cache", "redis"),
    "the queue is killed": kill("queue", "rabbitmq"),
    "a worker is killed": kill("worker", "worker"),
    "a gateway is killed": kill("gateway", "gateway"),
}


@pytest.mark.parametrize(("name", "fault"), FAULTS.items(), ids=FAULTS.keys())
def test_orders_and_tasks_go_on_when(name: str, fault: Callable[[Stack], str], shop: Stack, load: Ledger) -> None:
    until("a worker runs", lambda: shop.kubectl.pods(shop.name, "worker"), 60)
    with load.during(name):
        print(f"    hit {fault(shop)}")
        load.until_acknowledged(200, "since", 120)
        shop.until_ready(90)
