"""Kubernetes events: what the operator tells people, declared as values, sent on transitions only."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

from hcs_operator.api.observed import Reason
from hcs_operator.api.times import stamp
from hcs_operator.decide.database.errant import Saved
from hcs_operator.decide.database.lead import PrimaryChange
from hcs_operator.decide.database.outcome import LossAnswer
from hcs_operator.kube.errors import KubeError
from hcs_operator.kube.port import Document, Kube

log = structlog.get_logger(__name__)

COMPONENT = "hcs-operator"
LONGEST = 1000
"""Characters of a message; the API server refuses more than 1024."""

GOOD_WHEN_TRUE = frozenset({
    "Ready", "WritesAvailable", "ReadsAvailable", "AsyncAvailable", "DurabilitySatisfied", "ReplicationHealthy",
    "CacheHealthy", "QueueHealthy", "AutoscalingActive",
})  # fmt: skip
BAD_WHEN_TRUE = frozenset({"Stalled"})
NEUTRAL = frozenset({"Paused"})
"""`Reconciling` is in none of them: it comes and goes with every change."""


@dataclass(frozen=True)
class Event:
    """One sentence for people. `type` is Normal or Warning."""

    type: str
    reason: str
    message: str


class Move(NamedTuple):
    """A replica count that was written, and why; `tier` is the field of the spec."""

    tier: str
    before: int
    after: int
    reason: Reason


def scaled(move: Move) -> Event:
    """Tell of a replica count that was written, with the numbers that led to it."""
    numbers = move.reason.message.partition(": ")[2] or move.reason.message
    name = f"{move.tier[0].upper()}{move.tier[1:]}"
    return Event("Normal", f"Scaled{name}", f"{move.before} -> {move.after}: {numbers}")


def led(change: PrimaryChange) -> Event:
    """Tell of a new primary, of the old one, and why."""
    return Event("Normal", "PrimaryChanged", f"{change.old} -> {change.new}: {change.why}")


def refused(why: str) -> Event:
    """Tell of a hand-over that was asked for and is not made."""
    return Event("Warning", "PromotionRefused", why)


def answered(it: LossAnswer) -> Event:
    """Tell that members were given up for good on request, or why they are not."""
    if it.allowed:
        return Event("Warning", "DataLossAllowed", it.words)
    return Event("Warning", "DataLossRefused", it.words)


def saved(it: Saved) -> Event:
    """Tell that an instance's own transactions are in a ConfigMap, and then that it is rebuilt without them."""
    if it.rebuilt:
        words = f"{it.instance} is a copy of the group again; what it had of its own is in ConfigMap {it.config_map}"
        return Event("Normal", "InstanceRebuilt", words)
    words = f"{it.instance} holds transactions that the group lacks; they are saved in ConfigMap {it.config_map}"
    return Event("Warning", "ErrantExported", words)


def healed(change: str) -> Event:
    """Tell of a child that was edited or deleted by hand and put right."""
    return Event("Normal", "Healed", change)


def transitions(previous: Mapping[str, Any], current: Mapping[str, Any]) -> list[Event]:
    """Return one event for each condition that turned, or whose reason changed while it is bad.

    What does not work yet while the stack starts is no trouble; what stands in the way of the start is.
    """
    starting = current.get("phase") == "Starting"
    before = {entry["type"]: entry for entry in previous.get("conditions") or ()}
    found = []
    for entry in current.get("conditions") or ():
        old = before.get(entry["type"], {})
        turned = old.get("status") != entry["status"]
        bad = _bad(entry)
        if bad is None or entry["status"] == "Unknown" or (not old and not bad):
            continue
        if turned or (bad and old.get("reason") != entry["reason"]):
            kind = "Warning" if bad and (entry["type"] in BAD_WHEN_TRUE or not starting) else "Normal"
            found.append(Event(kind, entry["reason"], f"{entry['type']}={entry['status']}: {entry['message']}"))
    return found


def _bad(entry: Mapping[str, Any]) -> bool | None:
    """Return whether the condition's present value is bad news; None when nobody is told of it."""
    if entry["type"] in GOOD_WHEN_TRUE:
        return str(entry["status"]) == "False"
    if entry["type"] in BAD_WHEN_TRUE:
        return str(entry["status"]) == "True"
    return False if entry["type"] in NEUTRAL else None


async def emit(kube: Kube, about: Document, events: Iterable[Event], now: float) -> None:
    """Write the events; one that cannot be written is logged and never holds a reconcile up."""
    metadata = about["metadata"]
    at = stamp(now)
    for event in events:
        log.info(
            "event", stack=f"{metadata['namespace']}/{metadata['name']}", reason=event.reason, message=event.message
        )
        document = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{secrets.token_hex(8)}", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message[:LONGEST],
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": COMPONENT,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
        try:
            await kube.create(document)
        except KubeError as failure:
            log.warning("event_not_written", reason=event.reason, error=str(failure))
