"""One part at a time is killed under a steady trickle of orders and tasks; afterwards every sum must hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until

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


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_the_ledger_balances_after(fault: Callable[[Stack], str], shop: Stack) -> None:
    shop.until_ready()
    until("a worker runs", lambda: _a_worker(shop), 60)
    ledger = shop.ledger()
    with ledger.trickle(orders_per_second=20, tasks_per_second=5):
        print(f"    hit {fault(shop)}")
        shop.until_ready(90)
    print(f"    {ledger.settle_and_balance()}")


def _a_worker(stack: Stack) -> bool:
    """Wakes the workers with one task if they sleep, and says whether one is there."""
    if stack.kubectl.pods(stack.name, "worker"):
        return True
    ledger = stack.ledger()
    ledger.send_one_mail()
    return False
