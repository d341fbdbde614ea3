"""The brokers of a queue of three: whether they are whole, who leads, and how to lose one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from tests.cluster import nodes
from tests.cluster.conftest import Stack, resource
from tests.cluster.kubectl import Kubectl, condition, until

Loss = Callable[[Stack, str], AbstractContextManager[None]]
"""Loses the broker in the pod of that name while the block runs, or as far as it goes."""

# Three brokers need three nodes; all else is as small as it gets. A fixed number of workers is there from the start.
OF_THREE: dict[str, Any] = {
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
"""Of the spec of a stack with a queue of three."""


def make_three(kubectl: Kubectl, reach: Callable[[Kubectl, str], Stack]) -> Stack:
    """A stack with a queue of three."""
    kubectl.apply(resource("held", OF_THREE))
    return reach(kubectl, "held")


def lose_the_leading_one(stack: Stack, fault: Loss) -> None:
    """Has a fault done to it under a load, which finds no accepted task lost; all three are up again at the end."""
    lost = leader(stack)
    with stack.under_load():
        print(f"    hit {lost}")
        with fault(stack, lost):
            until(f"{lost} is said to be down", lambda: is_named(stack, lost), 30)
        until_whole(stack)


def until_whole(stack: Stack) -> None:
    """Waits until its three brokers hold every queue."""
    stack.until_ready()
    until("three brokers hold every queue", lambda: are_whole(stack), 180)


def are_whole(stack: Stack) -> bool | None:
    """Whether three brokers are ready, each on a node of its own, and hold every queue."""
    pods, document = stack.kubectl.pods(stack.name, "queue"), stack.resource()
    apart = len({pod["spec"].get("nodeName") for pod in pods}) == len(pods) == 3
    healthy = condition(document, "QueueHealthy").get("status") == "True"
    weak = condition(document, "DurabilitySatisfied").get("message", "")
    return (apart and healthy and "Queue" not in weak) or None


def is_named(stack: Stack, pod: str) -> bool | None:
    """Whether the stack says that this broker is down, and that accepted tasks are held by fewer than three."""
    document = stack.resource()
    healthy, weak = condition(document, "QueueHealthy"), condition(document, "DurabilitySatisfied")
    down = (healthy.get("status"), healthy.get("reason")) == ("False", "BrokerDown")
    return (down and pod in healthy["message"] and "QueueBrokerMissing" in weak.get("message", "")) or None


def leader(stack: Stack) -> str:
    """The pod of the broker that leads the queue of most tasks."""
    asked = f"{stack.name}-queue-0"
    command = ("rabbitmqctl", "--silent", "list_queues", "name", "leader")
    rows = stack.kubectl.run("exec", asked, "--container=rabbitmq", "--", *command).splitlines()
    leaders = dict(row.split("\t")[:2] for row in rows if "\t" in row)
    return leaders["hcs.default"].removeprefix("rabbit@").partition(".")[0]


def on_a_node_of_its_own(stack: Stack) -> str:
    """The pod of a broker on a node that carries neither the control plane nor the stack's one database member."""
    (database,) = stack.kubectl.pods(stack.name, "db")
    taken = {nodes.hub(stack.kubectl), database["spec"]["nodeName"]}
    pods = stack.kubectl.pods(stack.name, "queue")
    return next(str(pod["metadata"]["name"]) for pod in pods if pod["spec"]["nodeName"] not in taken)


@contextmanager
def killed(stack: Stack, pod: str) -> Iterator[None]:
    """Its processes are killed with -9; the container is started again in the same pod."""
    stack.kubectl.signal_container(pod, "rabbitmq")
    yield


@contextmanager
def deleted(stack: Stack, pod: str) -> Iterator[None]:
    """Its pod is deleted with grace; another one is made over the same volume."""
    stack.kubectl.delete("pod", pod, wait=False)
    yield


@contextmanager
def emptied(stack: Stack, pod: str) -> Iterator[None]:
    """Its volume is lost with it, as the runbook does it for a lost node; another one is there before the block runs."""
    claim = f"data-{pod}"
    before = stack.kubectl.get("pvc", claim)
    assert before, claim
    stack.kubectl.delete("pvc", claim, wait=False)
    stack.kubectl.delete("pod", pod, wait=False)

    def another() -> bool | None:
        now = stack.kubectl.get("pvc", claim)
        return (now is not None and now["metadata"]["uid"] != before["metadata"]["uid"]) or None

    until(f"another claim {claim} is there", another, 120)
    yield
