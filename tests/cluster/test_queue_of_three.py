"""Of a queue of three, one broker is killed and another deleted under orders and tasks, and no accepted task goes with them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cluster.conftest import Stack, resource
from tests.cluster.kubectl import Kubectl, until

pytestmark = pytest.mark.cluster


def is_whole(stack: Stack) -> bool | None:
    """Whether three brokers are ready, each on a node of its own, and hold every queue."""
    pods = stack.kubectl.pods(stack.name, "queue")
    weak = stack.condition("DurabilitySatisfied").get("message", "")
    healthy = stack.condition("QueueHealthy").get("status") == "True"
    held = healthy and "QueueBrokerMissing" not in weak
    return (len({pod["spec"]["nodeName"] for pod in pods}) == 3 and held) or None


def kill(stack: Stack) -> None:
    stack.kubectl.signal_container(f"{stack.name}-queue-0", "rabbitmq")


def delete(stack: Stack) -> None:
    stack.kubectl.delete("pod", f"{stack.name}-queue-1", wait=False)


@pytest.fixture(scope="module")
def trio(module_namespace: Kubectl, reach: Callable[[Kubectl, str], Stack]) -> Stack:
    """A stack with a queue of three."""
    module_namespace.apply(resource("held", {"queue": {"replicas": 3}}))
    stack = reach(module_namespace, "held")
    until("three brokers hold every queue", lambda: is_whole(stack), 120)
    return stack


@pytest.mark.parametrize("fault", [kill, delete], ids=["killed", "its pod is deleted"])
def test_a_broker_is_lost_and_no_accepted_task_with_it(fault: Callable[[Stack], None], trio: Stack) -> None:
    ledger = trio.ledger()
    with ledger.trickle(orders_per_second=5, tasks_per_second=5):
        fault(trio)
        trio.until_condition("QueueHealthy", "False", 30)
        until("three brokers hold every queue again", lambda: is_whole(trio), 180)
    print(f"    {ledger.settle_and_balance()}")


def test_their_number_does_not_change(trio: Stack) -> None:
    assert "replicas cannot change" in trio.patch({"queue": {"replicas": 1}}, check=False)
