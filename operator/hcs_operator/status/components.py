"""One component in a line: how many pods are ready of how many wanted, and how it is in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hcs_operator.api.database import TEMPLATE_HASH, template_hash
from hcs_operator.api.names import ASYNC_API, GATEWAY, READ_API, REPLICA, STATEFUL, WORKER, WRITE_API
from hcs_operator.api.observed import Child, Outlook, PodView, Reason
from hcs_operator.api.spec import Stack
from hcs_operator.decide.startup import observed, rolling

_TIERS = {REPLICA: "READERS", GATEWAY: "GATEWAY"} | dict.fromkeys((WRITE_API, ASYNC_API, READ_API, WORKER), "SERVICES")
"""The gate's tier of each component; those without one never wait."""


@dataclass(frozen=True)
class Component:
    """`wanted` is None while there is no workload; `problem` is the first pod's that does not run, in its own words."""

    name: str
    wanted: int | None
    ready: int
    rolling: bool
    """Whether pods of an earlier template still run."""
    problem: tuple[PodView, Reason] | None
    waiting: Reason | None

    @property
    def settled(self) -> bool:
        """Whether it is as it should be."""
        return self.wanted is not None and self.ready >= self.wanted and not self.rolling

    @property
    def pods(self) -> str:
        """Return ready pods of wanted ones (`1/2`)."""
        return f"{self.ready}/{self.wanted or 0}"

    @property
    def state(self) -> str:
        """Return how it is in words."""
        if self.problem is not None:
            return f"{self.problem[1].word}: {self.problem[1].message}"
        if self.wanted is None:
            return f"Waiting: {self.waiting.message}" if self.waiting else "Missing: being made"
        if self.rolling:
            return "Updating: pods of the earlier template still run"
        if self.ready < self.wanted:
            return f"Starting: {self.ready} of {self.wanted} pods ready"
        return "Running" if self.wanted else "Asleep: nothing to do"


def workload(name: str, stack: Stack) -> Child:
    """Name a component's workload."""
    return Child("StatefulSet" if name in STATEFUL else "Deployment", stack.names.of(name))


def component(name: str, stack: Stack, outlook: Outlook) -> Component:
    """Summarise one component from its workload and its pods."""
    snapshot = outlook.snapshot
    live = snapshot.live.get(workload(name, stack))
    broken = ((pod, pod.problem) for pod in snapshot.of(name))
    return Component(
        name=name,
        wanted=None if live is None else int(live["spec"].get("replicas", 1)),
        ready=len(snapshot.ready(name)),
        rolling=live is not None and _rolling(live, outlook.snapshot.of(name)),
        problem=next(((pod, problem) for pod, problem in broken if problem is not None), None),
        waiting=outlook.gate.waiting.get(_TIERS.get(name, "")),
    )


def _rolling(live: Any, pods: Iterable[PodView]) -> bool:
    """Say whether the workload's controller has yet to see its template, or pods of an earlier one are left.

    One that is deleted while its pods stay is about to be made again, with another template for its volumes.
    A template that carries its own hash (the database's) is compared by it: what it leaves out restarts no pod.
    """
    if not observed(live) or "deletionTimestamp" in live["metadata"]:
        return True
    wanted = template_hash(live)
    return rolling(live) if wanted is None else any(pod.annotations.get(TEMPLATE_HASH) != wanted for pod in pods)
