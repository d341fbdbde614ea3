"""What becomes of a task after a failed try; pure.

First try, then up to three more after 1 s, 5 s and 30 s, each ± 10 % (two wait queues a step), then dead. A handler may
be registered without a bound: its tasks go on every 30 s until they are refused for good or expire.
"""

from dataclasses import dataclass

from hcs_services.queue.topology import retry_exchange
from hcs_services.worker.task import Permanent, TaskFailed


@dataclass(frozen=True, slots=True)
class Again:
    """Wait in this exchange's queue, then try again."""

    exchange: str


@dataclass(frozen=True, slots=True)
class Dead:
    """Give up: `reason` is a slug, `detail` a sentence."""

    reason: str
    detail: str


def after_failure(failure: TaskFailed, attempt: int, tries: int | None, *, late: bool) -> Again | Dead:
    """Decide on the failure of try number `attempt` (1 for the first) of `tries`, None for as many as it takes.

    `late` picks the longer delay of the step.
    """
    if isinstance(failure, Permanent):
        return Dead(failure.reason, failure.detail)
    if tries is not None and attempt >= tries:
        return Dead("retries-spent", f"{attempt} tries failed, the last with {failure.reason}: {failure.detail}")
    return Again(retry_exchange(attempt, late=late))
