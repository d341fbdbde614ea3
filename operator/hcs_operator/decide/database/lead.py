"""Who led and who leads: a change of the primary is told once, with its cause where that is known.

What is remembered stands in `status.database`: `lastPrimary` and `noPrimarySince` while nobody leads, and the hand-over
that was asked for.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hcs_operator.api.database import DatabaseView, InstanceView
from hcs_operator.api.times import stamp
from hcs_operator.decide.database.journal import moment
from hcs_operator.decide.database.steps import HandOver, Step


class PrimaryChange(NamedTuple):
    """Another instance leads than the last that was known to."""

    old: str
    new: str
    why: str
    """The cause, in words."""


def unled_since(leader: InstanceView | None, previous: Mapping[str, Any], now: float) -> float | None:
    """Return since when nobody leads (Unix seconds); None while somebody does, and before anybody ever did."""
    if leader is not None or _last(previous) is None:
        return None
    since = previous.get("noPrimarySince")
    return moment(since) if since else now


def told(
    steps: Iterable[Step], leader: InstanceView | None, previous: Mapping[str, Any], unled: float | None = None
) -> dict[str, Any]:
    """Return what `status.database` says of the lead; a hand-over that was asked for until somebody leads again.

    `unled` is since when nobody leads.
    """
    step = next((step for step in steps if isinstance(step, HandOver)), None)
    asked = {"to": step.successor.name, "why": step.why} if step else None
    if leader is None:
        found = {
            "lastPrimary": _last(previous),
            "noPrimarySince": None if unled is None else stamp(unled),
            "handOver": asked or previous.get("handOver"),
        }
    else:
        found = {"currentPrimary": leader.instance.name, "handOver": asked}
    return {name: value for name, value in found.items() if value}


def _last(previous: Mapping[str, Any]) -> str | None:
    name: str | None = previous.get("currentPrimary") or previous.get("lastPrimary")
    return name


def changed(view: DatabaseView, leader: InstanceView | None, previous: Mapping[str, Any]) -> PrimaryChange | None:
    """Return the change since `previous` (`status.database`); None at the first founding, and while nobody leads."""
    old = _last(previous)
    if old is None or leader is None or old == leader.instance.name:
        return None
    return PrimaryChange(old, leader.instance.name, _why(view, old, leader.instance.name, previous))


def _why(view: DatabaseView, old: str, new: str, previous: Mapping[str, Any]) -> str:
    """Say what is seen of the old one first: it may have died before it could hand over."""
    it = next((it for it in view.instances if it.instance.name == old), None)
    if it is None:
        return f"{old} is gone"
    if it.pod.deleting:
        return f"the pod of {old} is being deleted"
    if it.facts is None:
        return f"{old} does not answer: {it.unreachable.message.rstrip('.')}"
    if it.facts.group.state != "ONLINE":
        return f"{old} fell out of the group and is {it.facts.group.state}"
    asked = previous.get("handOver") or {}
    return str(asked["why"]) if asked.get("to") == new else "the group chose it"
