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
| set   | any          | a group's row    | `outage`: wait for its agent, or take the group up from the best  |

Whoever may hold data is asked first. A pod whose claim never had a volume holds none: it keeps nobody waiting, unless
it is recorded. A claim that is not seen yet may be an old one.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from hcs_operator.api.database import DatabaseView, Facts, InstanceView, Role
from hcs_operator.api.observed import Reason
from hcs_operator.api.pod_problems import CRASH
from hcs_operator.decide.database.members import foreign
from hcs_operator.decide.database.membership import ordinal, present, recorded
from hcs_operator.decide.database.outage import holding, leaving, lost, outage
from hcs_operator.decide.database.outcome import Finding
from hcs_operator.decide.database.steps import Claim, Found

STARTING = Reason("DatabaseStarting", "The database's pods are starting.")


def founding(
    view: DatabaseView,
    claim: Mapping[str, Any] | None,
    journal: Mapping[str, Any] | None,
    now: float,
    *,
    bootstrapped: bool,
    failed: tuple[str, ...] = (),
) -> Finding:
    """Judge a database that has no primary; `now` is Unix seconds, `failed` are those at which the last step did."""
    pods = len(view.of(Role.MEMBER))
    view = _asked(view, claim)
    members = view.of(Role.MEMBER)
    silent = next((member for member in members if member.facts is None), None)
    if silent is not None:
        return _silent(silent, bootstrapped=bootstrapped)._replace(operation=leaving(members, journal))
    if pods < view.members_wanted or not members:
        return Finding(waiting=STARTING)
    if claim is None:
        return _unclaimed(view)
    seed = next((member for member in members if member.instance.name == claim["seed"]), None)
    facts = seed.facts if seed else None
    if seed and facts and facts.member_group is None and not facts.gtid_executed and not bootstrapped:
        return Finding(step=Found(present(view, claim), seed.instance, facts.server_uuid))
    return outage(view, claim, journal, now, failed)


def _asked(view: DatabaseView, claim: Mapping[str, Any] | None) -> DatabaseView:
    """Leave out whoever never ran; where there is data of a group already, everybody may belong to it."""
    members = view.of(Role.MEMBER)
    if claim is None and any(it.facts and it.facts.member_group for it in members):
        return view
    names = recorded(claim) if claim else ()
    never_ran = [
        it
        for it in members
        if not it.facts and it.instance.name not in names and f"data-{it.instance.name}" in view.unbound
    ]
    return replace(view, instances=tuple(it for it in view.instances if it not in never_ran))


def _silent(member: InstanceView, *, bootstrapped: bool) -> Finding:
    name = member.instance.name
    if member.pod.problem is None:
        reason = member.silence or STARTING
        return Finding(waiting=Reason("MemberSilent", f"{name} does not answer yet: {reason.message}"))
    words = f"{name} does not run: {member.pod.problem.message.rstrip('.')}. "
    waiting = Reason("MemberDown", words)
    if not bootstrapped or member.pod.problem.word not in CRASH:
        return Finding(waiting=waiting, problem=Reason("MemberDown", words + "Its pod's events and log say why."))
    remedy = (
        "If its log tells of damaged files, restore its volume from a backup; nothing was changed or deleted, and its "
        "readers keep their copy."
    )
    return Finding(waiting=waiting, problem=Reason("MemberCrashing", words + remedy))


def _unclaimed(view: DatabaseView) -> Finding:
    members = view.of(Role.MEMBER)
    problems = (foreign(it, it.facts, _name_of(it.facts)) for it in members if it.facts)
    if stray := next(filter(None, problems), None):
        return Finding(problem=stray)
    bearing = [(it, it.facts.member_group) for it in members if it.facts and it.facts.member_group]
    if len({row.group_name for _, row in bearing}) > 1:
        names = ", ".join(it.instance.name for it, _ in bearing)
        words = f"The volumes of {names} come from different groups; keep those of one and empty the others."
        return Finding(problem=Reason("DataOfSeveralGroups", words))
    if bearing:
        seed, row = max(bearing, key=lambda it: it[1].epoch)
        names_ = tuple(it.instance.name for it, _ in bearing)
        return Finding(step=_claim(view, seed, row.epoch, row.group_name, names_))
    return _anew(view, members[0])


def _anew(view: DatabaseView, seed: InstanceView) -> Finding:
    """Claim the lowest member for a group that never was."""
    if holding(view):
        return Finding(problem=lost(view, seed.instance.name))
    silent = next((reader for reader in view.of(Role.READER) if reader.facts is None), None)
    if silent is not None:
        words = f"{silent.instance.name} may hold a copy of the data and does not answer; nothing is founded before."
        return Finding(waiting=Reason("ReaderSilent", words))
    if ordinal(seed.instance.name) >= view.members_wanted:
        return Finding(waiting=STARTING)
    return Finding(step=_claim(view, seed, 1, new_name(view.uid, 1), (seed.instance.name,)))


def new_name(uid: str, epoch: int) -> str:
    """Return the UUID of a group that begins with this epoch of the stack with this uid."""
    return str(uuid5(NAMESPACE_URL, f"https://highconcurrency.dev/{uid}/{epoch}"))


def _name_of(facts: Facts) -> str:
    return facts.member_group.group_name if facts.member_group else ""


def _claim(view: DatabaseView, seed: InstanceView, epoch: int, group_name: str, members: tuple[str, ...]) -> Claim:
    return Claim(view.namespace, view.stack, view.uid, seed.instance.name, epoch, group_name, members)
