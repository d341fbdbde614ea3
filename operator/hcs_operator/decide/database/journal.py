"""The multi-step operation under way, as `status.journal` keeps it: a restarted operator knows it, and its start."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hcs_operator.decide.database.copying import Care
from hcs_operator.decide.database.drain import Drain
from hcs_operator.decide.database.verdicts import Verdict

Journal = Mapping[str, Any]
RECOVER = "RecoverGroup"
"""Taking the group up again after an outage of all its members."""


class ReaderJudgements(NamedTuple):
    """What was made of each reader, by name."""

    cares: dict[str, Care]
    drains: dict[str, Drain]
    verdicts: dict[str, Verdict]

    def eligible(self) -> frozenset[str]:
        """Name the readers that may serve; one that is to leave may not."""
        return frozenset(name for name, it in self.verdicts.items() if it.eligible and name not in self.drains)


def entry(
    group: tuple[str, str, str] | None,
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
    since = datetime.fromtimestamp(started(before, kind, instance, now), UTC)
    return {"operation": kind, "instance": instance, "step": step, "startedAt": since.strftime("%Y-%m-%dT%H:%M:%SZ")}


def started(journal: Journal | None, operation: str, instance: str, now: float) -> float:
    """Return when this operation began (Unix seconds); `now` when the journal does not know it."""
    if journal and journal["operation"] == operation and journal["instance"] == instance:
        return datetime.fromisoformat(journal["startedAt"]).timestamp()
    return now


def _operation(
    group: tuple[str, str, str] | None, readers: ReaderJudgements, rolling: tuple[str, ...], before: Journal | None
) -> tuple[str, str, str] | None:
    """Choose what is noted: what counts its own time comes before what does not."""
    if group and group[0] == RECOVER:
        return group
    if readers.drains:
        name = next(reversed(readers.drains))  # the highest ordinal goes first; the others wait their turn
        return "DrainReader", name, readers.drains[name].reason
    if group:
        return group
    for name, care in readers.cares.items():
        copying = before and before["operation"] == "CloneReader" and before["instance"] == name
        unfinished = copying and name not in readers.eligible() and care.problem is None
        if care.operation or unfinished:
            return care.operation or "CloneReader", name, care.reason or care.state
    if rolling:
        return "RollPods", rolling[-1], f"{len(rolling)} pods to go, next {rolling[0]}"
    return None
