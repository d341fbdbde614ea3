"""No member leads, and none can by itself: whose data the group is taken up from.

Each recorded member has to answer first, and each pod of a member that exists: one that is silent may hold the newest
acknowledged write. What was received counts like what was executed. The member whose set contains all others' applies
what it has received, before the group rests on it: a relay log that is damaged has another one chosen that holds as
much, or is told. Then it is marked, under a new epoch in the claim, and its own agent bootstraps the group. No one is
asked.

Where two hold what the other lacks, where a volume is gone, or where a reader has more of the group's transactions than
any member, nothing is done but telling: every choice would lose something. What somebody wrote at a reader itself keeps
no group down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hcs_operator.api.database import DatabaseView, Facts, InstanceView, Role
from hcs_operator.api.observed import Reason
from hcs_operator.decide.database.errant import held
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.journal import started
from hcs_operator.decide.database.members import foreign, of_one
from hcs_operator.decide.database.membership import former, present, recorded
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.outcome import Finding
from hcs_operator.decide.database.steps import ApplyReceived, Halt, Revive

CONFIRMED = 15.0
"""Seconds that an outage of all members must have lasted: a member that was just thawed or restarted may say more."""

Answered = list[tuple[InstanceView, Facts]]


def outage(
    view: DatabaseView,
    claim: Mapping[str, Any],
    journal: Mapping[str, Any] | None,
    now: float,
    failed: tuple[str, ...] = (),
) -> Finding:
    """Judge a group that has no primary; every existing member has answered. `failed` are those whose last step did."""
    ended = former(claim)
    members: Answered = [(it, it.facts) for it in view.of(Role.MEMBER) if it.facts and not of_one(ended, it.facts)]
    strays = (foreign(member, facts, claim["groupName"]) for member, facts in members)
    if stray := next(filter(None, strays), None):
        return Finding(waiting=stray, problem=stray)
    if under_way := _under_way(members):
        return Finding(waiting=under_way, operation=leaving(view.of(Role.MEMBER), journal))
    best = superset(members, claim["seed"], () if claim["epoch"] > _newest(members) else failed)
    problem = _unfit(view, members, claim) or (more_at_a_reader(view, best, claim) if best else diverged(members))
    if problem is not None or best is None:
        return Finding(waiting=problem, problem=problem)
    return _recover(view, members, best, claim, journal, now)


def _under_way(members: Answered) -> Reason | None:
    """Say what goes on without us."""
    alive = [it.instance.name for it, facts in members if facts.group.state in {"ONLINE", "RECOVERING"}]
    if alive:
        words = f"{', '.join(alive)} are in the group and elect a primary, or wait for a majority."
        return Reason("NoPrimary", words)
    for member, facts in members:
        if _takes_it_up(facts):
            words = f"{member.instance.name} is {facts.group.state} and takes up its group again."
            return Reason("GroupStarting", words)
    return None


def leaving(members: Sequence[InstanceView], journal: Mapping[str, Any] | None) -> tuple[Operation, str, str] | None:
    """Return an outage that goes on while the member that was told to leave does so, and nobody else does anything.

    Without a majority its STOP takes half a minute, in which it may not answer: that is no reason to begin anew. One
    that its kubelet calls down may have been restarted, and is looked at for as long as any other.
    """
    told = next((it for it in members if journal and journal["step"] == _leaves(it)), None)
    if journal is None or told is None or not _out(told):
        return None
    others = [(it, it.facts) for it in members if it is not told]
    heard = [(it, facts) for it, facts in others if facts]
    quiet = len(heard) == len(others) and _under_way(heard) is None
    return (Operation.RECOVER, journal["instance"], journal["step"]) if quiet else None


def _out(member: InstanceView) -> bool:
    return member.pod.ready if member.facts is None else member.facts.group.state in {"ERROR", "OFFLINE"}


def _leaves(member: InstanceView) -> str:
    return f"{member.instance.name} leaves its group"


def _takes_it_up(facts: Facts) -> bool:
    return facts.group.changing or (facts.member_group is not None and facts.member_group.solo)


def _unfit(view: DatabaseView, members: Answered, claim: Mapping[str, Any]) -> Reason | None:
    """Say which recorded member is missing or has lost its data."""
    names = recorded(claim)
    for member, facts in members:
        if facts.member_group is None and member.instance.name in names:
            return lost(view, member.instance.name)
    there = {member.instance.name for member, _ in members}
    missing = [name for name in names if name not in there]
    if missing:
        return Reason("MemberMissing", f"Waiting for {', '.join(missing)}, which may hold the newest writes.")
    return None


def lost(view: DatabaseView, name: str) -> Reason:
    """Tell of a member that came back empty while nobody leads."""
    copies = holding(view)
    still = f" A copy may be left in: {', '.join(copies)}." if copies else ""
    return Reason(
        "VolumeLost",
        f"{name} came back without its data; an empty database is not put in its place.{still} Restore the volume of "
        f"{name} from a backup. To begin anew without the rows, delete this stack with its volume claims and create it "
        "again.",
    )


def holding(view: DatabaseView) -> list[str]:
    """Name what holds rows or may do so. A reader is made after the founding: a volume without its pod is older."""
    readers = view.of(Role.READER)
    asked = {f"data-{reader.instance.name}" for reader in readers}
    names = [it.instance.name for it in view.instances if it.facts and it.facts.gtid_executed]
    return [*names, *(f"volume claim {claim}" for claim in view.kept if claim not in asked)]


def superset(members: Answered, claimed: str, failed: tuple[str, ...] = ()) -> InstanceView | None:
    """Return a member that has all that any has: the claimed one, where it does; where there is another, none of those
    that failed.
    """
    bearing = [(member, held(facts)) for member, facts in members if facts.member_group]
    full = [it for it, own in bearing if all(other <= own for _, other in bearing)]
    return min(full, key=lambda it: (it.instance.name in failed, it.instance.name != claimed), default=None)


def _newest(members: Answered) -> int:
    """Return the highest epoch that any of them was marked with; 0 where none was."""
    return max((facts.member_group.epoch for _, facts in members if facts.member_group), default=0)


def diverged(members: Answered) -> Reason:
    """Tell what each of them holds."""
    words = "; ".join(f"{member.instance.name} has {held(facts)}" for member, facts in members if facts.member_group)
    return Reason(
        "Diverged",
        f"No member holds all that the others hold: {words}. Keep every volume, and restore them from a backup that "
        "has what is needed; nothing was changed.",
    )


def more_at_a_reader(view: DatabaseView, best: InstanceView, claim: Mapping[str, Any]) -> Reason | None:
    """Tell of a reader that holds what the group committed and the best member lacks: it may be the only copy."""
    assert best.facts is not None
    own = held(best.facts)
    for reader in view.of(Role.READER):
        if reader.facts and (more := GtidSet.parse(reader.facts.gtid_executed).of(claim["groupName"]) - own):
            words = (
                f"The reader {reader.instance.name} holds transactions that no member has ({more}): a member has lost "
                "acknowledged writes. Restore its volume, or delete the reader's volume claim and pod to do without "
                "them; nothing was changed."
            )
            return Reason("ReaderHoldsMore", words)
    return None


def _recover(
    view: DatabaseView,
    members: Answered,
    best: InstanceView,
    claim: Mapping[str, Any],
    journal: Mapping[str, Any] | None,
    now: float,
) -> Finding:
    assert best.facts is not None
    assert best.facts.member_group is not None
    name = best.instance.name
    since = started(journal, Operation.RECOVER, name, now)
    waiting = Reason("GroupDown", f"No member is ONLINE; the group is taken up again from {name}, which has all rows.")
    finding = Finding(waiting=waiting, operation=(Operation.RECOVER, name, "waiting whether the outage lasts"))
    if now - since < CONFIRMED:
        return finding
    inside = next((member for member, facts in members if facts.group.state != "OFFLINE"), None)
    if inside is not None:
        return finding._replace(step=Halt(inside.instance), operation=(Operation.RECOVER, name, _leaves(inside)))
    newest = _newest(members)
    if claim["epoch"] > newest:
        return _marked(view, members, claim, finding)
    if received := unapplied(best.facts):
        applies = (Operation.RECOVER, name, f"{name} applies what it has received")
        return finding._replace(step=ApplyReceived(best.instance, received), operation=applies)
    return finding._replace(step=replace(present(view, claim), seed=name, epoch=newest + 1))


def unapplied(facts: Facts) -> GtidSet | None:
    """Return what a member has received, where it has not executed all of it."""
    received = GtidSet.parse(facts.received)
    return received if received - GtidSet.parse(facts.gtid_executed) else None


def _marked(view: DatabaseView, members: Answered, claim: Mapping[str, Any], finding: Finding) -> Finding:
    """Mark the member that was claimed; another one is never marked under that claim."""
    seed = next((it for it, _ in members if it.instance.name == claim["seed"]), None)
    if seed is None or finding.operation is None or finding.operation[1] != claim["seed"]:
        words = f"The group was to be taken up from {claim['seed']}, which no longer has all rows."
        return finding._replace(problem=Reason("SeedBehind", words))
    return finding._replace(step=Revive(present(view, claim), seed.instance))
