"""Handing over on request: the resource's annotation `highconcurrency.dev/promote` names the member that is to lead.

A request is one wish, not a standing one. Once it is done or refused, `status.database.promotion` keeps its value, and
that value asks for nothing more: a later failover stands, though the annotation may stay where it is. The annotation is
the user's (it may come from Git) and is never written; to ask for the same again it is taken away and set anew.

What will not pass by itself refuses a request at once, what may pass is waited for during `PATIENCE`: a wish that came
true hours later would surprise.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hcs_operator.api.database import PROMOTE, DatabaseView, InstanceView
from hcs_operator.api.names import DB, REPLICA, Names
from hcs_operator.api.times import stamp
from hcs_operator.decide.database.journal import moment
from hcs_operator.decide.database.membership import hand_over, ordinal, recorded
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.steps import HandOver

PATIENCE = 60.0
"""Seconds from the first sight of a request until it is refused."""
MOST_BEHIND = 100
"""Transactions that the next primary may still have to apply: writes wait for them during the hand-over."""
WAITING, DONE, REFUSED = "Waiting", "Done", "Refused"

Record = Mapping[str, Any]


class Promotion(NamedTuple):
    """What becomes of a request."""

    record: Record | None = None
    """`status.database.promotion`."""
    step: HandOver | None = None
    refusal: str | None = None
    """Why it is refused, in words, at the look that refuses it."""

    @property
    def operation(self) -> tuple[Operation, str, str] | None:
        """Return the journal's entry while it waits."""
        if self.record is None or self.record["state"] != WAITING:
            return None
        return Operation.PROMOTE, self.record["instance"], self.record["reason"]


def promotion(
    view: DatabaseView,
    leader: InstanceView | None,
    previous: Mapping[str, Any],
    now: float,
    busy: str = "",
) -> Promotion:
    """Judge the request; `previous` is `status.database`, `busy` says what is done to the group just now."""
    before: Record | None = previous.get("promotion")
    if view.paused:
        return Promotion(before)
    if not view.promote:
        return Promotion()
    known = before if before and before["instance"] == view.promote else None
    if known and known["state"] != WAITING:
        return Promotion(known)
    since = moment(known["since"]) if known else now
    if leader is not None and leader.instance.name == view.promote:
        return Promotion(_record(view, DONE, "it leads", since))
    if why := _never(view, previous.get("claim")):
        return _refused(view, why, since)
    return _waited(view, leader, busy, since, now)


def _waited(view: DatabaseView, leader: InstanceView | None, busy: str, since: float, now: float) -> Promotion:
    target = next((it for it in view.instances if it.instance.name == view.promote), None)
    why = _not_now(leader, busy) or _unfit(target)
    if now - since >= PATIENCE:
        return _refused(view, f"{why or 'the hand-over did not come about'}, for {PATIENCE:.0f} s", since)
    if why or leader is None or target is None:
        return Promotion(_record(view, WAITING, why or "", since))
    step = hand_over(leader.instance, target, "it handed over on request")
    return Promotion(_record(view, WAITING, "it is asked to lead", since), step)


def _refused(view: DatabaseView, why: str, since: float) -> Promotion:
    told = (
        f"{view.promote} is not made to lead: {why}. To ask again, take the annotation {PROMOTE} away and set it anew."
    )
    return Promotion(_record(view, REFUSED, why, since), refusal=told)


def _record(view: DatabaseView, state: str, reason: str, since: float) -> Record:
    return {"instance": view.promote, "state": state, "reason": reason, "since": stamp(since)}


def _never(view: DatabaseView, claim: Mapping[str, Any] | None) -> str | None:
    """Say what is wrong with the request itself."""
    names = Names(view.stack)
    members = [f"{names.of(DB)}-{number}" for number in range(view.members_wanted)]
    if view.promote.startswith(f"{names.of(REPLICA)}-"):
        return "it is a read replica, outside the group; only a member can lead"
    if view.promote not in {*members, *(recorded(claim) if claim else ())}:
        return f"there is no such member, only {', '.join(members)}"
    if view.members_wanted == 1:
        return "the group counts one member (spec.database.members)"
    if ordinal(view.promote) >= view.members_wanted:
        return "it is to leave the group (spec.database.members)"
    return None


def _not_now(leader: InstanceView | None, busy: str) -> str | None:
    """Say why the group cannot be handed over at this look."""
    if leader is None or leader.facts is None:
        return "nobody leads the group that could hand over"
    if leader.facts.group.online < leader.facts.group.total:
        return "not every member of the group is ONLINE"
    return busy or None


def _unfit(target: InstanceView | None) -> str | None:
    """Say why a member cannot lead at this look."""
    if target is None:
        return "it has no pod"
    if target.pod.deleting:
        return "its pod is being deleted"
    if target.facts is None:
        return f"it does not answer: {target.unreachable.message.rstrip('.')}"
    if target.facts.group.state != "ONLINE":
        return f"it is {target.facts.group.state}, not ONLINE"
    return "it is too far behind" if target.facts.applier_queue > MOST_BEHIND else None
