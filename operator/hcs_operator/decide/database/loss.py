"""Giving members up: the annotation `highconcurrency.dev/allow-data-loss` names those that are lost for good.

By itself the operator waits for each recorded member, since any may hold the newest acknowledged write. Who knows that
some will not come back names exactly those, and so accepts that what they alone had is lost. Like a hand-over on
request this is one wish: a value that was carried out or refused asks for nothing more, so one that is forgotten, or
stays in Git, never gives up the same members in a later outage.

What is not as the request says refuses it for good, at once; so at one that still stands after `CONFIRMED` seconds no
look has found anything against it. Then, one thing at a look: whoever remains leaves the old group (one that was cut
off may still call itself ONLINE); the one that holds all that the others hold applies what it has received; the claim
is written; it is marked, and its own agent bootstraps.

The claim has a new name for the group and that one member alone. The lost transactions' GTIDs are never given to other
rows, and whatever still bears a former name is no member: `members.care` makes it a copy of the new group.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from hcs_operator.api.database import ALLOW_DATA_LOSS, DatabaseView, Facts, InstanceView, Role
from hcs_operator.api.observed import Reason
from hcs_operator.api.times import stamp
from hcs_operator.decide.database.errant import held
from hcs_operator.decide.database.founding import new_name
from hcs_operator.decide.database.journal import moment
from hcs_operator.decide.database.members import foreign, of_one
from hcs_operator.decide.database.membership import former, present, recorded
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.outage import (
    CONFIRMED,
    Answered,
    diverged,
    more_at_a_reader,
    superset,
    unapplied,
)
from hcs_operator.decide.database.outcome import Finding, LossAnswer
from hcs_operator.decide.database.steps import ApplyReceived, Claim, Halt, Revive

WAITING, ALLOWED, REFUSED = "Waiting", "Allowed", "Refused"


class Loss(NamedTuple):
    """What becomes of a request."""

    request: Mapping[str, Any] | None = None
    """`status.database.dataLossRequest`."""
    finding: Finding | None = None
    """What is done about it at this look; instead of what would be done by itself."""
    answer: LossAnswer | None = None
    """At the look in which it was carried out, or is refused."""


def loss(view: DatabaseView, leader: InstanceView | None, previous: Mapping[str, Any], now: float) -> Loss:
    """Judge the request, and go on with one that was claimed. `previous` is `status.database`, `now` Unix seconds."""
    claim = previous.get("claim")
    asked = _asked(view, leader, previous, now)
    if claim and leader is None and previous.get("ledGroup") != claim["groupName"]:
        return asked._replace(finding=_marked(view, claim) or asked.finding)
    return asked


def told(found: Loss, leader: InstanceView | None, previous: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `status.database` says of it, and of the group that was led last: that one is never marked again."""
    claim = previous.get("claim")
    renamed = claim if claim and former(claim) else None
    led = renamed["groupName"] if renamed and leader else previous.get("ledGroup")
    said = {"dataLossRequest": found.request, "ledGroup": led}
    return {name: value for name, value in said.items() if value}


def _asked(view: DatabaseView, leader: InstanceView | None, previous: Mapping[str, Any], now: float) -> Loss:
    before: Mapping[str, Any] | None = previous.get("dataLossRequest")
    if view.paused:
        return Loss(before)
    if not view.allow_data_loss:
        return Loss()
    known = before if before and before["members"] == view.allow_data_loss else None
    if known and known["state"] != WAITING:
        return Loss(known)
    since = moment(known["since"]) if known else now
    if known and (record := previous.get("dataLoss")) and record["requestedAt"] == known["since"]:
        return _allowed(view, record, since)
    return _judged(view, leader, previous.get("claim"), since, now)


def _judged(
    view: DatabaseView, leader: InstanceView | None, claim: Mapping[str, Any] | None, since: float, now: float
) -> Loss:
    """Hold the request, first seen at `since`, against what is seen."""
    names = named(view)
    if claim is None:
        return _refused(view, "no group was founded yet that could lose a member", since)
    why = _not_missing(view, leader, claim, names)
    if why is None and (slow := _slow(view)):
        return Loss(_request(view, WAITING, slow, since))
    remaining = _remaining(view, claim, names)
    best = superset(remaining, claim["seed"])
    why = why or _not_fit(view, claim, remaining, best)
    if why or best is None:
        return _refused(view, why or diverged(remaining).message, since)
    request = _request(view, WAITING, f"the group is taken up again from {best.instance.name}", since)
    return Loss(request, _taken_up(view, claim, remaining, best, since, now))


def named(view: DatabaseView) -> frozenset[str]:
    """Return the members that the annotation names."""
    return frozenset(filter(None, (name.strip() for name in view.allow_data_loss.split(","))))


def _request(view: DatabaseView, state: str, reason: str, since: float) -> Mapping[str, Any]:
    return {"members": view.allow_data_loss, "state": state, "reason": reason, "since": stamp(since)}


def _refused(view: DatabaseView, why: str, since: float) -> Loss:
    words = (
        f"{view.allow_data_loss} are not given up: {why.rstrip('.')}. To ask again, take the annotation "
        f"{ALLOW_DATA_LOSS} away and set it anew."
    )
    return Loss(_request(view, REFUSED, why, since), answer=LossAnswer(allowed=False, words=words))


def _allowed(view: DatabaseView, record: Mapping[str, Any], since: float) -> Loss:
    words = (
        f"{', '.join(record['members'])} are given up, as {ALLOW_DATA_LOSS} asks: the group is taken up again from "
        f"{record['takenUpFrom']} under a new name, and writes that they alone had are lost to it."
    )
    reason = f"the group is taken up again from {record['takenUpFrom']}"
    return Loss(_request(view, ALLOWED, reason, since), answer=LossAnswer(allowed=True, words=words))


def _without_rows(facts: Facts, claim: Mapping[str, Any]) -> bool:
    """Say whether its volume is empty, or of a group that ended: it has nothing of this one."""
    return (facts.member_group is None and not facts.gtid_executed) or of_one(former(claim), facts)


def _not_missing(
    view: DatabaseView, leader: InstanceView | None, claim: Mapping[str, Any], names: frozenset[str]
) -> str | None:
    """Say what of the request is not so: exactly who is missing has to be named, while nobody leads."""
    if leader is not None:
        return f"{leader.instance.name} leads the group, so nobody has to be given up"
    members = {it.instance.name: it for it in view.of(Role.MEMBER)}
    known = {*recorded(claim), *members}
    if strangers := sorted(names - known):
        return f"there is no member {', '.join(strangers)}, only {', '.join(sorted(known))}"
    alive = (_alive(members[name], claim) for name in sorted(names & set(members)))
    if why := next(filter(None, alive), None):
        return why
    missing = {name for name in known if _missing(members.get(name), claim, name)}
    if not missing:
        return "every member answers and has its data"
    if names != missing:
        return f"missing are {', '.join(sorted(missing))}; name exactly these if all of them are lost for good"
    return None


def _alive(member: InstanceView, claim: Mapping[str, Any]) -> str | None:
    """Say how one that is named shows that it is not lost."""
    name = member.instance.name
    if member.facts is not None and not _without_rows(member.facts, claim):
        return f"{name} answers and has its data; name only members that are lost for good"
    if member.facts is None and member.pod.ready:
        return f"{name} answers its kubelet, though not the operator; mend that, or delete its pod if it is lost"
    return None


def _slow(view: DatabaseView) -> str | None:
    """Say who is waited for: a STOP on a member that was cut off takes a minute, and may keep it from answering."""
    slow = [it.instance.name for it in view.of(Role.MEMBER) if it.facts is None and it.pod.ready]
    return f"{', '.join(slow)} answers its kubelet, and is waited for" if slow else None


def _missing(member: InstanceView | None, claim: Mapping[str, Any], name: str) -> bool:
    """Say whether a member has nothing to tell; one that belongs and came back empty has lost what it had.

    One that only does not answer the operator is not missing.
    """
    if member is None or member.facts is None:
        return member is None or not member.pod.ready
    return name in recorded(claim) and _without_rows(member.facts, claim)


def _remaining(view: DatabaseView, claim: Mapping[str, Any], names: frozenset[str]) -> Answered:
    """Return who answers with rows of the group, or with something that is not its own."""
    members = [(it, it.facts) for it in view.of(Role.MEMBER) if it.facts and it.instance.name not in names]
    return [(it, facts) for it, facts in members if not _without_rows(facts, claim)]


def _not_fit(
    view: DatabaseView, claim: Mapping[str, Any], remaining: Answered, best: InstanceView | None
) -> str | None:
    """Say why the group cannot be taken up from those that remain."""
    if not remaining:
        return "no member is left that holds the group's rows; restore a volume from a backup"
    online = sum(facts.group.state == "ONLINE" for _, facts in remaining)
    for member, facts in remaining:
        name, group = member.instance.name, facts.group
        if stray := foreign(member, facts, claim["groupName"]):
            return stray.message
        if group.online > online or (group.state == "ONLINE" and 2 * group.online > group.total):
            return f"{name} sees {group.online} of {group.total} members ONLINE, so one that is named is alive"
        if facts.member_group and facts.member_group.solo:
            return f"{name} is alone in its group by its own record, and takes it up by itself"
    more = more_at_a_reader(view, best, claim) if best else diverged(remaining)
    return more.message if more else None


def _taken_up(
    view: DatabaseView, claim: Mapping[str, Any], remaining: Answered, best: InstanceView, since: float, now: float
) -> Finding:
    """Return the next step of a request that stands."""
    assert best.facts is not None
    words = f"{best.instance.name} takes up the group again without {', '.join(sorted(named(view)))}"
    finding = _finding(best.instance.name, words)
    if now - since < CONFIRMED or any(facts.group.changing for _, facts in remaining):
        return finding
    inside = next((member for member, facts in remaining if facts.group.state != "OFFLINE"), None)
    if inside is not None:
        return finding._replace(step=Halt(inside.instance))
    if received := unapplied(best.facts):
        return finding._replace(step=ApplyReceived(best.instance, received))
    return finding._replace(step=_claim(view, claim, remaining, best, since, now))


def _finding(seed: str, words: str) -> Finding:
    return Finding(
        waiting=Reason("GroupDown", f"{words}, as the annotation {ALLOW_DATA_LOSS} asks."),
        operation=(Operation.RECOVER, seed, words),
    )


def _claim(
    view: DatabaseView, claim: Mapping[str, Any], remaining: Answered, best: InstanceView, since: float, now: float
) -> Claim:
    """Return the new claim, with the record of what is given up: one write, so that neither is without the other."""
    epoch = 1 + max([claim["epoch"], *(facts.member_group.epoch for _, facts in remaining if facts.member_group)])
    record = {
        "members": sorted(named(view)),
        "at": stamp(now),
        "requestedAt": stamp(since),
        "groupName": claim["groupName"],
        "takenUpFrom": best.instance.name,
        "history": [{"name": it.instance.name, "gtidSet": str(held(facts))} for it, facts in remaining],
    }
    return replace(
        present(view, claim),
        seed=best.instance.name,
        epoch=epoch,
        group_name=new_name(view.uid, epoch),
        members=(best.instance.name,),
        former=(*former(claim), claim["groupName"]),
        loss=record,
    )


def _marked(view: DatabaseView, claim: Mapping[str, Any]) -> Finding | None:
    """Go on after the claim, whoever asked for it is asked no more: its seed's row still has the former name.

    Whoever is given up and came back meanwhile leaves the former group first: the seed's agent bootstraps beside none.
    """
    left = [(it, it.facts) for it in view.of(Role.MEMBER) if it.facts and of_one(former(claim), it.facts)]
    finding = _finding(claim["seed"], f"{claim['seed']} takes up the group again without those given up")
    for member, facts in left:
        if facts.group.state != "OFFLINE" and not facts.group.changing:
            return finding._replace(step=Halt(member.instance))
    for member, facts in left:
        if member.instance.name == claim["seed"] and facts.member_group:
            resting = facts.group.state == "OFFLINE" and not facts.group.changing
            step = Revive(present(view, claim), member.instance, facts.member_group.group_name)
            return finding._replace(step=step if resting else None)
    return None
