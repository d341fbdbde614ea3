"""Whether the loss of any one pod, node or volume loses nothing acknowledged, of orders and of accepted tasks."""

from hcs_operator.api.names import QUEUE
from hcs_operator.api.observed import QueueFigures, Reason
from hcs_operator.status.facts import Facts, Verdict, no, unknown, yes


def judge(facts: Facts) -> Verdict:
    """Judge by the members that are online and by the brokers that hold the tasks, not by the spec."""
    if facts.plan is None:
        return unknown("NotLookedAt", "The database has not been looked at yet")
    if not facts.plan.status.get("bootstrapped"):
        return unknown("NotFounded", "The database's group is being founded")
    weak, queue = facts.plan.durability, _queue(facts)
    if weak is not None:
        return no(weak.word, f"{weak.message.rstrip('.')}. {queue.word}: {queue.message}" if queue else weak.message)
    if queue is not None:
        return no(queue.word, queue.message)
    if facts.stack.spec.queue.replicas > 1 and not isinstance(facts.snapshot.queue, QueueFigures):
        return unknown("QueueNotSeen", "No broker says how many of them hold the accepted tasks")
    return yes("Replicated", "The loss of one pod, node or volume loses nothing acknowledged")


def _queue(facts: Facts) -> Reason | None:
    """Say what an accepted task would not survive."""
    wanted, figures, ready = facts.stack.spec.queue.replicas, facts.snapshot.queue, facts.components[QUEUE].ready
    if wanted == 1:
        told = "the queue has one node, so an accepted task survives restarts, but not the loss of its volume"
        return Reason("SingleQueueNode", told)
    held = min(ready, figures.online) if isinstance(figures, QueueFigures) else ready
    if held < wanted:
        told = (
            f"{held} of {wanted} brokers hold the accepted tasks: the loss of one more may stop the queue, or lose some"
        )
        return Reason("QueueBrokerMissing", told)
    return None
