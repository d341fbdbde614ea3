"""Who belongs to the group: growing and shrinking, one recorded change at a time.

The claim in status names each member that may hold an acknowledged write. A member is recorded before it can join, and
struck off before it leaves for good, so that after an outage of all it is known whose word has to be waited for.
Whoever is inside all the same and is to stay is recorded at once: an open group may let one in between two looks, and
one that was struck off may be wanted again before it is gone.

Growing from one: the others are copied first, outside the group, and let in back to back once all of them are ready. A
group of two stands still when it loses one, so that state is kept as short as can be. Where none of the group is to
stay, as it was founded while the lowest found no node, who is to stay is let in first.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from hcs_operator.api.database import DatabaseView, Instance, InstanceView, Role
from hcs_operator.decide.database.copying import Care
from hcs_operator.decide.database.members import WAITS
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.steps import Claim, CloseGroup, HandOver, OpenGroup, Step
from hcs_operator.decide.database.verdicts import counted_online, secondaries


class Membership(NamedTuple):
    """The next step towards the wanted number, and what is going on, in words; none when it is reached."""

    step: Step | None = None
    operation: Operation | None = None
    reason: str = ""


def recorded(claim: Mapping[str, Any]) -> tuple[str, ...]:
    """Name who belongs to the group; a claim of an earlier version knows its seed alone."""
    return tuple(claim.get("members") or (claim["seed"],))


def present(view: DatabaseView, claim: Mapping[str, Any]) -> Claim:
    """Return the claim that status has, as a step to be changed and written over it."""
    members = recorded(claim)
    seed, epoch, name = claim["seed"], claim["epoch"], claim["groupName"]
    return Claim(view.namespace, view.stack, view.uid, seed, epoch, name, members, claim, former(claim))


def former(claim: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the groups that ended when members were given up."""
    return tuple(claim.get("former") or ())


def ordinal(name: str) -> int:
    """Return a pod's number in its StatefulSet."""
    return int(name.rpartition("-")[2])


def pods_wanted(claim: Mapping[str, Any] | None, wanted: int) -> int:
    """Return how many pods of members there shall be: a member's goes only once it was struck off."""
    names = recorded(claim) if claim else ()
    return max([wanted, *(ordinal(name) + 1 for name in names)])


def membership(
    view: DatabaseView, leader: InstanceView, claim: Mapping[str, Any], cares: Mapping[str, Care]
) -> Membership:
    """Judge the group's members while a primary is known."""
    names = recorded(claim)
    row = leader.facts.member_group if leader.facts else None
    assert row is not None
    if inside := [name for name in _inside(view, leader, cares) if name not in names]:
        return _record(view, claim, inside, "in the group already")
    ready = [member for member in view.of(Role.MEMBER) if _ready(member, cares)]
    if row.solo and any(member.instance.name in names for member in ready):
        return Membership(OpenGroup(leader.instance), Operation.GROW, "the group is opened for the others")
    staying = [name for name in names if ordinal(name) < view.members_wanted]
    if staying and len(staying) < len(names):
        return _shrink(view, leader, claim, max(names, key=ordinal))
    missing = view.members_wanted - len(staying)
    if missing > 0:
        return _grow(view, claim, ready, missing, alone=row.solo)
    return _alone(view, leader, claim) if names == (leader.instance.name,) and not row.solo else Membership()


def _ready(member: InstanceView, cares: Mapping[str, Care]) -> bool:
    care = cares.get(member.instance.name)
    return care is not None and care.state == WAITS and member.pod.ready and not member.pod.deleting


def _inside(view: DatabaseView, leader: InstanceView, cares: Mapping[str, Care]) -> list[str]:
    """Name who is in the group and is to stay; one struck off that is wanted again has to be recorded again."""
    joined = {name for name, care in cares.items() if care.state in {"ONLINE", "RECOVERING"}} | {leader.instance.name}
    members = (member.instance.name for member in view.of(Role.MEMBER))
    return [name for name in members if name in joined and ordinal(name) < view.members_wanted]


def _record(view: DatabaseView, claim: Mapping[str, Any], further: list[str], why: str) -> Membership:
    members = tuple(sorted({*recorded(claim), *further}, key=ordinal))
    words = f"{', '.join(further)} are recorded as members: {why}"
    return Membership(replace(present(view, claim), members=members), Operation.GROW, words)


def _grow(
    view: DatabaseView, claim: Mapping[str, Any], ready: list[InstanceView], missing: int, *, alone: bool
) -> Membership:
    names = [it.instance.name for it in ready if ordinal(it.instance.name) < view.members_wanted]
    ready_names = [name for name in names if name not in recorded(claim)]
    if not ready_names or (alone and len(ready_names) < missing):
        words = f"{len(ready_names)} of {missing} further members have their copy; they are let in together"
        return Membership(None, Operation.GROW, words)
    return _record(view, claim, ready_names, "they may join then")


def _shrink(view: DatabaseView, leader: InstanceView, claim: Mapping[str, Any], last: str) -> Membership:
    """Strike off the last one: only while the primary stays, sees everybody in the group, and each says so itself.

    For seconds after a member's death the primary still counts it: one more that leaves then costs the majority.
    """
    facts = leader.facts
    assert facts is not None
    if ordinal(leader.instance.name) >= view.members_wanted:
        successor = _successor(view, leader)
        if successor is None or successor.facts is None:
            return Membership(None, Operation.SHRINK, "no member that stays is ONLINE and could lead")
        step = hand_over(leader.instance, successor, "it handed over before it leaves the group")
        return Membership(step, Operation.SHRINK, f"{successor.instance.name} takes over the lead")
    gone = {member.instance.name for member in view.of(Role.MEMBER) if ordinal(member.instance.name) > ordinal(last)}
    if gone:
        return Membership(None, Operation.SHRINK, f"{', '.join(sorted(gone))} leaves the group")
    if counted_online(view, leader) < facts.group.total or facts.group.total > ordinal(last) + 1:
        return Membership(None, Operation.SHRINK, "not every member of the group is ONLINE")
    members = tuple(name for name in recorded(claim) if name != last)
    return Membership(
        replace(present(view, claim), members=members), Operation.SHRINK, f"{last} is struck off, then its pod goes"
    )


def _successor(view: DatabaseView, leader: InstanceView) -> InstanceView | None:
    staying = [member for member in successors(view, leader) if ordinal(member.instance.name) < view.members_wanted]
    return staying[0] if staying else None


def successors(view: DatabaseView, leader: InstanceView) -> list[InstanceView]:
    """Return who could lead instead, the one with the least left to apply first."""
    staying = [member for member in secondaries(view, leader) if not member.pod.deleting]
    return sorted(staying, key=lambda it: it.facts.applier_queue if it.facts else 0)


def others_serve(view: DatabaseView, leader: InstanceView, member: InstanceView) -> bool:
    """Whether all whom the group counts beside `member` are ONLINE, and each says so itself.

    For seconds after a death the primary still counts the dead one, also where it was struck off since: one more that
    leaves then costs the majority.
    """
    assert leader.facts is not None
    group, serving = leader.facts.group, [leader, *secondaries(view, leader)]
    others = sum(it is not member for it in serving)
    counted = group.online - (len(serving) - others)
    return min(counted, others) >= group.total - 1


def hand_over(leader: Instance, successor: InstanceView, why: str) -> HandOver:
    """Have another ONLINE member lead."""
    assert successor.facts is not None
    return HandOver(leader, successor.instance, successor.facts.server_uuid, why)


def _alone(view: DatabaseView, leader: InstanceView, claim: Mapping[str, Any]) -> Membership:
    """Make it a group of one again, which comes back by itself: not before the others' pods are gone."""
    if len(view.of(Role.MEMBER)) > 1 or leader.facts is None or leader.facts.group.total > 1:
        return Membership(None, Operation.SHRINK, "whoever was struck off is not gone yet")
    return Membership(CloseGroup(present(view, claim), leader.instance), Operation.SHRINK, "the group counts one again")
