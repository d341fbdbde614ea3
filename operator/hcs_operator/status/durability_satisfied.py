"""Whether the loss of any one pod, node or volume loses nothing acknowledged, of orders and of accepted tasks."""

from hcs_operator.status.facts import Facts, Verdict, no, unknown, yes

_ONE_NODE = (
    "SingleQueueNode: the queue has one node, so an accepted task survives restarts, but not the loss of its volume"
)


def judge(facts: Facts) -> Verdict:
    """Judge by the members that are online, not by the spec."""
    if facts.plan is None:
        return unknown("NotLookedAt", "The database has not been looked at yet")
    if not facts.plan.status.get("bootstrapped"):
        return unknown("NotFounded", "The database's group is being founded")
    single = facts.stack.spec.queue.replicas == 1
    weak = facts.plan.durability
    if weak is not None:
        return no(weak.word, f"{weak.message.rstrip('.')}. {_ONE_NODE}" if single else weak.message)
    if single:
        return no("SingleQueueNode", _ONE_NODE.partition(": ")[2])
    return yes("Replicated", "The loss of one pod, node or volume loses nothing acknowledged")
