"""The brokers of a queue of three: whether they are whole, who leads, and how to lose one."""

from __future__ import annotations

from collections.abc import Callable

from tests.cluster.conftest import Stack
from tests.cluster.kubectl import condition, until

Loss = Callable[[Stack, str], None]
"""Loses the broker in the pod of that name."""


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


def leading(stack: Stack, queue: str) -> str:
    """The pod of the broker that leads a queue."""
    asked = f"{stack.name}-queue-0"
    command = ("rabbitmqctl", "--silent", "list_queues", "name", "leader")
    rows = stack.kubectl.run("exec", asked, "--container=rabbitmq", "--", *command).splitlines()
    leaders = dict(row.split("\t")[:2] for row in rows if "\t" in row)
    return leaders[queue].removeprefix("rabbit@").partition(".")[0]


def killed(stack: Stack, pod: str) -> None:
    """Its processes are killed with -9; the container is started again in the same pod."""
    stack.kubectl.signal_container(pod, "rabbitmq")


def deleted(stack: Stack, pod: str) -> None:
    """Its pod is deleted with grace; another one is made over the same volume."""
    stack.kubectl.delete("pod", pod, wait=False)


def emptied(stack: Stack, pod: str) -> None:
    """Its volume is lost with it, as the runbook does it for a lost node; another one is there at the end."""
    claim = f"data-{pod}"
    before = stack.kubectl.get("pvc", claim)
    assert before, claim
    stack.kubectl.delete("pvc", claim, wait=False)
    stack.kubectl.delete("pod", pod, wait=False)

    def another() -> bool | None:
        now = stack.kubectl.get("pvc", claim)
        return (now is not None and now["metadata"]["uid"] != before["metadata"]["uid"]) or None

    until(f"another claim {claim} is there", another, 120)
