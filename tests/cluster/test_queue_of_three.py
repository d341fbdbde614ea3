"""A queue of three loses one broker at a time under orders and tasks, and no accepted task goes with it.

Every day one is killed; the rest, tried each day on three brokers without a cluster, is part of `make chaos`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.cluster import brokers
from tests.cluster.conftest import Stack, resource
from tests.cluster.kubectl import Kubectl, until

daily, on_demand = pytest.mark.cluster, pytest.mark.chaos

# Three brokers need three nodes; all else is as small as it gets. A fixed number of workers is there from the start.
SPEC: dict[str, Any] = {
    "database": {"members": 1},
    "readReplicas": {"replicas": 0},
    "autoscaling": {"mode": "Off"},
    "workers": {"replicas": 2},
    "queue": {
        "replicas": 3,
        "storage": {"size": "1Gi", "reclaim": "Delete"},
        "resources": {"requests": {"cpu": "30m", "memory": "192Mi"}, "limits": {"memory": "768Mi"}},
    },
}


@pytest.fixture(scope="module")
def held(module_namespace: Kubectl, reach: Callable[[Kubectl, str], Stack]) -> Stack:
    """A stack with a queue of three."""
    module_namespace.apply(resource("held", SPEC))
    return reach(module_namespace, "held")


@pytest.fixture
def trio(held: Stack) -> Stack:
    """The stack once its three brokers hold every queue."""
    held.until_ready()
    until("three brokers hold every queue", lambda: brokers.are_whole(held), 120)
    return held


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(brokers.killed, id="killed", marks=daily),
        pytest.param(brokers.deleted, id="its pod is deleted", marks=on_demand),
        pytest.param(brokers.emptied, id="its volume is lost", marks=on_demand),
    ],
)
def test_the_leading_broker_is_lost_and_no_accepted_task_with_it(fault: brokers.Loss, trio: Stack) -> None:
    leader = brokers.leading(trio, "hcs.default")
    with trio.under_load():
        print(f"    hit {leader}")
        fault(trio, leader)
        until(f"{leader} is said to be down", lambda: brokers.is_named(trio, leader), 30)
        until("three brokers hold every queue again", lambda: brokers.are_whole(trio), 180)
        trio.until_ready()


@on_demand
def test_a_roll_takes_one_broker_at_a_time_and_no_accepted_task(trio: Stack) -> None:
    ready = set[int]()
    revision = _brokers(trio)["status"]["updateRevision"]

    def rolled() -> bool | None:
        found = _brokers(trio)
        status = found["status"]
        ready.add(status.get("readyReplicas", 0))
        seen = status["observedGeneration"] == found["metadata"]["generation"] and status["updateRevision"] != revision
        return (seen and status.get("updatedReplicas") == status.get("readyReplicas") == 3) or None

    with trio.under_load():
        trio.patch({"queue": {"resources": {"requests": {"cpu": "31m"}}}})
        until("all three are rolled", rolled, 240)
        until("three brokers hold every queue again", lambda: brokers.are_whole(trio), 120)
    assert min(ready) == 2, "there was a moment without two brokers"


@daily
def test_their_number_does_not_change(trio: Stack) -> None:
    assert "make a new stack" in trio.patch({"queue": {"replicas": 1}}, check=False)


def _brokers(stack: Stack) -> dict[str, Any]:
    """The brokers' StatefulSet."""
    found = stack.kubectl.get("statefulset", f"{stack.name}-queue")
    assert found, stack.name
    return found
