"""What the conditions are judged by: the parsed stack, the outlook, and each component reduced to a few numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from hcs_operator.api.observed import Outlook, Reason, Snapshot
from hcs_operator.api.spec import Stack
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.status.components import Component, component


class Verdict(NamedTuple):
    """A condition without its times: `status` is True, False or Unknown."""

    status: str
    reason: str
    message: str

    @property
    def holds(self) -> bool:
        """Whether the condition is True."""
        return self.status == "True"


def yes(reason: str, message: str) -> Verdict:
    """Return a condition that holds."""
    return Verdict("True", reason, sentence(message))


def no(reason: str, message: str) -> Verdict:
    """Return a condition that does not hold."""
    return Verdict("False", reason, sentence(message))


def unknown(reason: str, message: str) -> Verdict:
    """Return a condition that nothing has been seen of yet."""
    return Verdict("Unknown", reason, sentence(message))


def sentence(text: str) -> str:
    """End with a full stop; engines and kubelets care for none. The beginning stays: it may be a name or a field."""
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."


@dataclass(frozen=True)
class Facts:
    """One look at one stack, ready to be judged."""

    stack: Stack
    outlook: Outlook

    @property
    def snapshot(self) -> Snapshot:
        """What the look has seen."""
        return self.outlook.snapshot

    @property
    def plan(self) -> DatabasePlan | None:
        """The database's own judgement; None before it was looked at."""
        plan: DatabasePlan | None = self.outlook.database
        return plan

    @cached_property
    def components(self) -> Mapping[str, Component]:
        """Every component by name, in the order in which they are told of."""
        return {name: component(name, self.stack, self.outlook) for name in self.stack.components}

    @property
    def starting(self) -> bool:
        """Whether the stack is on its way up for the first time: it lasts until Ready, whatever fails afterwards.

        After a pause or an obstacle it goes on while a component has not been made yet.
        """
        before = self.outlook.previous.get("phase", "")
        missing = any(found.wanted is None for found in self.components.values())
        return before in {"", "Starting"} or (before in {"Paused", "Stalled"} and missing)

    def not_yet(self, condition: str, reason: str, message: str) -> Verdict:
        """Return False for what held before or was seen to fail, Unknown for what is still on its way up."""
        before = {entry["type"]: entry["status"] for entry in self.outlook.previous.get("conditions") or ()}
        return (unknown if before.get(condition, "Unknown") == "Unknown" else no)(reason, message)

    @property
    def waiting(self) -> Reason | None:
        """What the start still waits for, the earliest tier first."""
        return next(iter(self.outlook.gate.waiting.values()), None)
