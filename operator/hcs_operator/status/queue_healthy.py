"""Whether the queue's brokers are all up, hold every queue, and answer with their figures, dead letters among them."""

from hcs_operator.api import conditions
from hcs_operator.api.names import QUEUE
from hcs_operator.api.observed import QueueFigures
from hcs_operator.status.facts import Facts, Verdict, no, unknown, yes


def judge(facts: Facts) -> Verdict:
    """Judge by the brokers' pods, and by their management API."""
    found, figures, wanted = facts.components[QUEUE], facts.snapshot.queue, facts.stack.spec.queue.replicas
    if found.problem is not None and (wanted == 1 or not found.ready):
        return no(found.problem[1].word, f"The queue does not run: {found.problem[1].message}")
    if not found.ready:
        told = "The queue has no ready pod: tasks are refused with 503 until it is back, none is lost"
        return facts.not_yet(conditions.QUEUE, "NoReadyPod", told)
    if figures is None:
        return unknown("NotAsked", "The queue's pod is ready and has not been asked yet")
    if not isinstance(figures, QueueFigures):
        up = "The queue's pod is ready" if wanted == 1 else f"{found.ready} of the queue's {wanted} pods are ready"
        return facts.not_yet(conditions.QUEUE, figures.word, f"{up}, but {figures.message}")
    return _degraded(facts, figures) or _answering(figures)


def _answering(figures: QueueFigures) -> Verdict:
    """Say whether dead letters wait there for somebody."""
    if figures.dead:
        told = "The queue answers; tasks that failed for good lie in hcs.dead until somebody sees to them"
        return yes("DeadLetters", told)
    return yes("Answering", "The queue answers")


def _degraded(facts: Facts, figures: QueueFigures) -> Verdict | None:
    """Say what is missing of a queue that answers."""
    found, wanted = facts.components[QUEUE], facts.stack.spec.queue.replicas
    if 2 * figures.online <= figures.members:
        up = f"{figures.online} of the {figures.members} brokers that hold a queue are up"
        told = f"{up}: tasks are refused with 503 until most are, none is lost"
        return facts.not_yet(conditions.QUEUE, "NoMajority", told)
    if found.ready < wanted:
        return facts.not_yet(conditions.QUEUE, "BrokerDown", _down(facts))
    if figures.online < wanted:
        told = f"A queue is held by {figures.online} of {wanted} brokers; RabbitMQ brings it to the others by itself"
        return facts.not_yet(conditions.QUEUE, "BrokerBehind", told)
    return None


def _down(facts: Facts) -> str:
    """Name the brokers that are down, and why, where that is known."""
    name, problem = facts.stack.names.of(QUEUE), facts.components[QUEUE].problem
    ready = {pod.name for pod in facts.snapshot.ready(QUEUE)}
    brokers = (f"{name}-{ordinal}" for ordinal in range(facts.stack.spec.queue.replicas))
    why = f": {problem[1].message}" if problem else ""
    return (
        f"Not ready: {', '.join(broker for broker in brokers if broker not in ready)}; tasks are taken meanwhile{why}"
    )
