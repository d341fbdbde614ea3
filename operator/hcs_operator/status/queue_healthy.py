"""Whether the queue's broker answers with its figures."""

from hcs_operator.api import conditions
from hcs_operator.api.names import QUEUE
from hcs_operator.api.observed import QueueFigures
from hcs_operator.status.facts import Facts, Verdict, no, unknown, yes


def judge(facts: Facts) -> Verdict:
    """Judge by the broker's pod, and by its management API."""
    found, figures = facts.components[QUEUE], facts.snapshot.queue
    if found.problem is not None:
        return no(found.problem[1].word, f"The queue does not run: {found.problem[1].message}")
    if not found.ready:
        told = "The queue has no ready pod: tasks are refused with 503 until it is back, none is lost"
        return facts.not_yet(conditions.QUEUE, "NoReadyPod", told)
    if isinstance(figures, QueueFigures):
        return yes("Answering", "The queue answers")
    if figures is not None:
        return facts.not_yet(conditions.QUEUE, figures.word, f"The queue's pod is ready, but {figures.message}")
    return unknown("NotAsked", "The queue's pod is ready and has not been asked yet")
