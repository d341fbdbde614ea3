"""Copies of the data: from whom an instance is cloned, and what its care says meanwhile."""

from collections.abc import Iterable
from typing import NamedTuple

from hcs_operator.api.database import Access, DatabaseView, Facts, InstanceView, Role
from hcs_operator.api.observed import Reason
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.steps import Clone, Export, Step
from hcs_operator.decide.database.verdicts import secondaries

RETRY_CLONE = 30.0
"""Seconds between a failed clone and the next try."""


class Care(NamedTuple):
    """What one instance is doing, in words, and the next step for it."""

    state: str
    reason: str = ""
    step: Step | None = None
    operation: Operation | None = None
    """The multi-step operation it is in, for the journal."""
    problem: Reason | None = None


def donors(view: DatabaseView, leader: InstanceView) -> list[InstanceView]:
    """Return whom a member may be copied from: secondaries, and the primary only where there is none."""
    return secondaries(view, leader) or [leader]


def source(view: DatabaseView, candidates: Iterable[InstanceView]) -> InstanceView | None:
    """Return the least loaded of them; None while a clone is under way."""
    return None if any(cloning(it.facts) for it in view.instances) else min(candidates, key=_load)


def _load(candidate: InstanceView) -> tuple[int, str]:
    return candidate.facts.busy_reads if candidate.facts else 0, candidate.instance.name


def cloning(facts: Facts | None) -> bool:
    """Say whether a copy is being received."""
    return facts is not None and facts.clone is not None and facts.clone.state == "In Progress"


def operation_of(recipient: InstanceView) -> Operation:
    """Name the copying of it, for the journal."""
    return Operation.CLONE_READER if recipient.instance.role is Role.READER else Operation.CLONE_MEMBER


def copy(
    recipient: InstanceView,
    facts: Facts,
    donor: InstanceView | None,
    replication: Access,
    why: str,
    export: Export | None = None,
) -> Care:
    """Have it copied; `donor` is None while another copy is being made, `export` keeps what only it has."""
    operation = operation_of(recipient)
    if donor is None:
        return Care("Waiting", f"{why}; another copy is being made", operation=operation)
    last = facts.clone
    if last and last.state == "Failed" and (last.ended_seconds_ago or 0.0) < RETRY_CLONE:
        return Care("Waiting", f"the last copy failed: {last.error}", operation=operation)
    executed = GtidSet.parse(facts.gtid_executed)
    step = Clone(recipient.instance, executed, donor.instance, replication, export)
    return Care("Cloning", f"{why}; it is copied from {donor.instance.name}", step, operation)
