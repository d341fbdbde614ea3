"""A queue of three loses one broker at a time under orders and tasks, and no accepted task goes with it.

What is tried here belongs to `make chaos`: each day it is tried on three brokers without a cluster, and in `test_reclaim.py`
one is killed and one goes with its node, on a stack that is there anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.cluster import brokers
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import Kubectl, until

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def held(module_namespace: Kubectl, reach: Callable[[Kubectl, str], Stack]) -> Stack:
    """A stack with a queue of three."""
    return brokers.make_three(module_namespace, reach)


@pytest.fixture
def trio(held: Stack) -> Stack:
    """The stack once its three brokers hold every queue."""
    brokers.until_whole(held)
    return held


@pytest.mark.parametrize("fault", [brokers.deleted, brokers.emptied], ids=["its pod is deleted", "its volume is lost"])
def test_the_leading_broker_is_lost_and_no_accepted_task_with_it(fault: brokers.Loss, trio: Stack) -> None:
    brokers.lose_the_leading_one(trio, fault)


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
        brokers.until_whole(trio)
    assert min(ready) == 2, "there was a moment without two brokers"


def _brokers(stack: Stack) -> dict[str, Any]:
    """The brokers' StatefulSet."""
    found = stack.kubectl.get("statefulset", f"{stack.name}-queue")
    assert found, stack.name
    return found
