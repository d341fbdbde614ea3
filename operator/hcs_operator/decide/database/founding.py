"""Founding the group, once: who bears it, and what to make of data (or of missing data) that is found.

States of a stack's database, told by the claim in status and by what lies in the seed's data directory:

| claim | bootstrapped | seed's data      | then                                                          |
|-------|--------------|------------------|---------------------------------------------------------------|
| none  | no           | none anywhere    | claim the lowest member                                       |
| none  | no           | none, but a reader's volume is kept | stalled: it may hold the only copy         |
| none  | no           | a group's row    | claim that very group: the volumes were kept                  |
| any   | any          | rows, no row of a group | stalled: not ours to judge                             |
| set   | no           | none             | found: write the row; the seed's agent bootstraps             |
| set   | yes          | none             | stalled: the volume was lost, founding again would hide it    |
| set   | any          | the claimed group | wait for its agent                                           |
| set   | any          | another group    | stalled                                                       |
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from hcs_operator.api.database import DatabaseView, Facts, InstanceView, Role
from hcs_operator.api.observed import Reason
from hcs_operator.decide.database.steps import Claim, Found, Step


class Finding(NamedTuple):
    """At most one step, and why there is no primary yet (`waiting`) or will be none by itself (`problem`)."""

    step: Step | None = None
    waiting: Reason | None = None
    problem: Reason | None = None


STARTING = Reason("DatabaseStarting", "The database's pods are starting.")


def founding(view: DatabaseView, claim: Mapping[str, Any] | None, *, bootstrapped: bool) -> Finding:
    """Judge a database that has no primary."""
    members = view.of(Role.MEMBER)
    silent = next((member for member in members if member.facts is None), None)
    if silent is not None:
        return _silent(silent, bootstrapped=bootstrapped)
    if len(members) < view.members_wanted:
        return Finding(waiting=STARTING)
    stray = next((member for member in members if _has_stray_data(member.facts)), None)
    if stray is not None:
        return Finding(problem=_stray(stray))
    if claim is None:
        return _unclaimed(view)
    seed = next((member for member in members if member.instance.name == claim["seed"]), None)
    if seed is None or seed.facts is None:
        return Finding(waiting=Reason("SeedMissing", f"Waiting for {claim['seed']}, which bears the group."))
    return _claimed(view, seed, seed.facts, claim, bootstrapped=bootstrapped)


def _silent(member: InstanceView, *, bootstrapped: bool) -> Finding:
    name = member.instance.name
    if member.pod.problem is None:
        reason = member.silence or STARTING
        return Finding(waiting=Reason("MemberSilent", f"{name} does not answer yet: {reason.message}"))
    words = f"{name} does not run: {member.pod.problem.message.rstrip('.')}. "
    waiting = Reason("MemberDown", words)
    if not bootstrapped or member.pod.problem.word not in {"CrashLoopBackOff", "Crashing"}:
        return Finding(waiting=waiting, problem=Reason("MemberDown", words + "Its pod's events and log say why."))
    remedy = (
        "If its log tells of damaged files, restore its volume from a backup; nothing was changed or deleted, and its "
        "readers keep their copy."
    )
    return Finding(waiting=waiting, problem=Reason("MemberCrashing", words + remedy))


def _has_stray_data(facts: Facts | None) -> bool:
    return facts is not None and facts.member_group is None and bool(facts.gtid_executed)


def _stray(member: InstanceView) -> Reason:
    name = member.instance.name
    return Reason(
        "DataWithoutGroup",
        f"The volume of {name} holds transactions, but not the mark of a group, so it was not made by this operator. "
        f"Give {name} an empty volume, or the one it had; nothing was changed.",
    )


def _unclaimed(view: DatabaseView) -> Finding:
    rows = {
        member.facts.member_group.group_name: member
        for member in view.of(Role.MEMBER)
        if member.facts and member.facts.member_group
    }
    if len(rows) > 1:
        names = ", ".join(member.instance.name for member in rows.values())
        words = f"The volumes of {names} come from different groups; keep those of one and empty the others."
        return Finding(problem=Reason("DataOfSeveralGroups", words))
    if rows:
        group_name, seed = rows.popitem()
        assert seed.facts
        assert seed.facts.member_group
        return Finding(step=_claim(view, seed, seed.facts.member_group.epoch, group_name))
    if _copies(view):
        return Finding(problem=_lost(view, view.of(Role.MEMBER)[0]))
    silent = next((reader for reader in view.of(Role.READER) if reader.facts is None), None)
    if silent is not None:
        words = f"{silent.instance.name} may hold a copy of the data and does not answer; nothing is founded before."
        return Finding(waiting=Reason("ReaderSilent", words))
    epoch = 1
    group_name = str(uuid5(NAMESPACE_URL, f"https://highconcurrency.dev/{view.uid}/{epoch}"))
    return Finding(step=_claim(view, view.of(Role.MEMBER)[0], epoch, group_name))


def _claim(view: DatabaseView, seed: InstanceView, epoch: int, group_name: str) -> Claim:
    return Claim(view.namespace, view.stack, view.uid, seed.instance.name, epoch, group_name)


def _claimed(
    view: DatabaseView, seed: InstanceView, facts: Facts, claim: Mapping[str, Any], *, bootstrapped: bool
) -> Finding:
    row, name = facts.member_group, seed.instance.name
    if row is None and bootstrapped:
        return Finding(problem=_lost(view, seed))
    if row is None:
        claimed = _claim(view, seed, claim["epoch"], claim["groupName"])
        return Finding(step=Found(claimed, seed.instance))
    if row.group_name != claim["groupName"]:
        words = (
            f"The volume of {name} belongs to group {row.group_name}, this stack to {claim['groupName']}. "
            f"Give {name} its own volume back; nothing was changed."
        )
        return Finding(problem=Reason("DataOfAnotherGroup", words))
    state = facts.group.state
    return Finding(waiting=Reason("GroupStarting", f"{name} is {state} and takes up its group again."))


def _copies(view: DatabaseView) -> list[str]:
    """Name what holds rows or may do so. A reader is made after the founding: a volume without its pod is older."""
    readers = view.of(Role.READER)
    asked = {f"data-{reader.instance.name}" for reader in readers}
    holding = [reader.instance.name for reader in readers if reader.facts and reader.facts.gtid_executed]
    return [*holding, *(f"volume claim {claim}" for claim in view.kept if claim not in asked)]


def _lost(view: DatabaseView, seed: InstanceView) -> Reason:
    copies = _copies(view)
    still = f" A copy may be left in: {', '.join(copies)}." if copies else ""
    return Reason(
        "VolumeLost",
        f"{seed.instance.name} came back without its data; an empty database is not put in its place.{still} Restore "
        f"the volume of {seed.instance.name} from a backup. To begin anew without the rows, delete this stack with its "
        "volume claims and create it again.",
    )
