"""The multi-step operation under way, as `status.journal` keeps it: a restarted operator knows it, and its start."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from hcs_operator.api.times import stamp
from hcs_operator.decide.database.copying import Care
from hcs_operator.decide.database.drain import Drain
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.verdicts import Verdict

Journal = Mapping[str, Any]


class ReaderJudgements(NamedTuple):
    """What was made of each reader, by name."""

    cares: dict[str, Care]
    drains: dict[str, Drain]
    verdicts: dict[str, Verdict]
    gone: frozenset[str] = frozenset()
    """Of the drained those that the count no longer has: their pods are going, and nothing waits for how long."""

    def eligible(self) -> frozenset[str]:
        """Name the readers that may serve; one that is to leave may not."""
        return frozenset(name for name, it in self.verdicts.items() if it.eligible and name not in self.drains)

    def drained(self, leaving: frozenset[str]) -> frozenset[str]:
        """Name those of the leaving that may go; one without a pod is not asked."""
        return frozenset(name for name in leaving if name not in self.drains or self.drains[name].done)

    def lags(self, leaving: frozenset[str]) -> dict[str, float]:
        """Return the seconds by which those that stay are behind, where anything tells."""
        known = {name: it.lag for name, it in self.verdicts.items() if name not in leaving}
        return {name: lag for name, lag in known.items() if lag is not None}


def entry(
    group: tuple[Operation, str, str] | None,
    readers: ReaderJudgements,
    rolling: tuple[str, ...],
    before: Journal | None,
    now: float,
) -> Journal | None:
    """Return the journal's entry; its start is kept over looks.

    `group` is what is done to the group itself (operation, instance, step), `rolling` names the pods still to be made
    anew.
    """
    operation = _operation(group, readers, rolling, before)
    if operation is None:
        return None
    kind, instance, step = operation
    since = stamp(started(before, kind, instance, now))
    return {"operation": kind, "instance": instance, "step": step, "startedAt": since}


def started(journal: Journal | None, operation: str, instance: str, now: float) -> float:
    """Return when this operation began (Unix seconds); `now` when the journal does not know it."""
    if journal and journal["operation"] == operation and journal["instance"] == instance:
        return moment(journal["startedAt"])
    return now


def moment(text: str) -> float:
    """`2026-01-31T12:00:00Z` → Unix seconds."""
    return datetime.fromisoformat(text).timestamp()


def _operation(
    group: tuple[Operation, str, str] | None,
    readers: ReaderJudgements,
    rolling: tuple[str, ...],
    before: Journal | None,
) -> tuple[Operation, str, str] | None:
    """Choose what is noted: what counts its own time comes before what does not."""
    if group and group[0] == Operation.RECOVER:
        return group
    leaving = [name for name in readers.drains if name not in readers.gone]
    if leaving:
        name = leaving[-1]  # the highest ordinal goes first; the others wait their turn
        return Operation.DRAIN_READER, name, readers.drains[name].reason
    if group:
        return group
    for name, care in readers.cares.items():
        copying = before and before["operation"] == Operation.CLONE_READER and before["instance"] == name
        unfinished = copying and name not in readers.eligible() and care.problem is None
        if care.operation or unfinished:
            return care.operation or Operation.CLONE_READER, name, care.reason or care.state
    if rolling:
        return Operation.ROLL, rolling[-1], f"{len(rolling)} pods to go, next {rolling[0]}"
    return None
