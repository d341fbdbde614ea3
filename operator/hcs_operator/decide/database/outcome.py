"""The database's plan as a value: what to do now, and what there is to say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hcs_operator.api.observed import Reason
from hcs_operator.decide.database.errant import Saved
from hcs_operator.decide.database.lead import PrimaryChange
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.steps import Step

Labels = Mapping[str, Mapping[str, str | None]]
"""By pod: label → value; None means the label must not be there."""


class LossAnswer(NamedTuple):
    """What became of a request to give members up."""

    allowed: bool
    words: str


class Finding(NamedTuple):
    """At most one step, and why there is no primary yet (`waiting`) or will be none by itself (`problem`)."""

    step: Step | None = None
    waiting: Reason | None = None
    problem: Reason | None = None
    operation: tuple[Operation, str, str] | None = None
    """For the journal: operation, instance, step."""


@dataclass(frozen=True)
class DatabasePlan:
    """What one look at a database asks for. `steps` are done in order; one that fails stops no other."""

    steps: tuple[Step, ...] = ()
    labels: Labels = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    """`status.database` without the claim, which is written by the step `Claim` alone."""
    journal: Mapping[str, Any] | None = None
    """`status.journal` of the multi-step operation under way: operation, instance, step, startedAt."""
    change: PrimaryChange | None = None
    """Another instance leads than the last that was known to; told once, as the status of this look has its name."""
    refusal: str | None = None
    """Why a hand-over that was asked for is refused, in words; told once, as the status of this look has it."""
    loss: LossAnswer | None = None
    """Members were given up on request, or are not; told once likewise."""
    saved: tuple[Saved, ...] = ()
    """What was exported of instances that had transactions of their own, and who was rebuilt; told once likewise."""
    primary_ready: bool = False
    """A member leads a majority, takes writes, and has its accounts: the schema migration may run."""
    readers_ready: int = 0
    """Read-eligible readers."""
    drained: frozenset[str] = frozenset()
    """Readers asked to go that nobody reads from any more (or whose drain timed out, or that have no pod): the count
    may be lowered."""
    lags: Mapping[str, float] = field(default_factory=dict)
    """Seconds behind the primary by reader, for the lag brake; absent when nothing tells, and for one that is to go."""
    waiting: Reason | None = None
    """Why `primary_ready` is False, in words; passes by itself."""
    problem: Reason | None = None
    """What does not pass by itself: for `Stalled`, with its remedy."""
    durability: Reason | None = None
    """Why `DurabilitySatisfied` is False."""
    replication: Reason | None = None
    """Why `ReplicationHealthy` is False."""
