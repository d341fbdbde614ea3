"""One look at a database → what to do now and what there is to say. The only function the operator's core calls."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hcs_operator.api.database import DatabaseView, InstanceView, Role
from hcs_operator.api.observed import Reason
from hcs_operator.decide.database import errant
from hcs_operator.decide.database import loss as loss_
from hcs_operator.decide.database import members as members_
from hcs_operator.decide.database import readers as readers_
from hcs_operator.decide.database.copying import Care, donors, source
from hcs_operator.decide.database.drain import drain
from hcs_operator.decide.database.founding import STARTING, founding
from hcs_operator.decide.database.journal import ReaderJudgements, entry, started
from hcs_operator.decide.database.lead import changed, told, unled_since
from hcs_operator.decide.database.members import Company
from hcs_operator.decide.database.membership import former, membership
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.outcome import DatabasePlan, Finding
from hcs_operator.decide.database.promotion import Promotion, promotion
from hcs_operator.decide.database.readers import Surroundings
from hcs_operator.decide.database.report import Report, durability, labels, replication, status
from hcs_operator.decide.database.roll import Roll, roll
from hcs_operator.decide.database.steps import Clone, Step
from hcs_operator.decide.database.throttling import slowing
from hcs_operator.decide.database.tuning import tunings
from hcs_operator.decide.database.verdicts import Verdict, eligible, online, primary


def plan(
    view: DatabaseView,
    *,
    previous: Mapping[str, Any],
    journal: Mapping[str, Any] | None,
    now: float,
    leaving: frozenset[str] = frozenset(),
    gone: frozenset[str] = frozenset(),
    failed: tuple[str, ...] = (),
) -> DatabasePlan:
    """Judge a look.

    `previous` is `status.database`, `journal` is `status.journal`, `now` Unix seconds, `leaving` the readers to drain,
    `gone` those that the count no longer has while their pods are there: they stay drained. `failed` are those at which
    the last step failed: where only one can be served or chosen, the others come first.
    """
    claim = previous.get("claim")
    leader = primary(view, claim["groupName"]) if claim else None
    unled = unled_since(leader, previous, now)
    strays = errant.strays(view, leader)
    readers = _readers(
        view, previous, journal, now, leaving | gone, leader, strays, 0.0 if unled is None else now - unled
    )._replace(gone=gone)
    members: dict[str, Care] = {}
    if leader is not None and claim is not None and view.replication is not None:
        policy = errant.Policy(view, strays, claim["groupName"], view.replication, now, former(claim))
        members = _members(leader, policy, failed)
        readers.cares.update(_cares(leader, policy, readers, failed, members))
    lost = loss_.loss(view, leader, previous, now)
    finding = lost.finding or _finding(view, leader, previous, journal, now, members, failed)
    asked = promotion(view, leader, previous, now, finding.operation[2] if finding.operation else "")
    rolling = roll(view, leader, _settled(view, leader, readers))
    saved = errant.saved(view, leader, strays, previous, now)
    cares, slow = {**members, **readers.cares}, slowing(view, leader, previous)
    report = Report(view, leader, cares, readers.drains, readers.eligible(), saved, slow, unled)
    steps = _steps((finding.step, asked.step), report, rolling.step)
    return replace(
        _said(report, previous, finding, lost, asked, rolling),
        steps=steps,
        status={**_status(report, previous, steps, asked), **loss_.told(lost, leader, previous)},
        journal=entry(finding.operation or asked.operation or _copied(members), readers, rolling.pending, journal, now),
        drained=readers.drained(leaving),
        lags=readers.lags(leaving | gone),
    )


def _said(
    report: Report,
    previous: Mapping[str, Any],
    finding: Finding,
    lost: loss_.Loss,
    asked: Promotion,
    rolling: Roll,
) -> DatabasePlan:
    """Return what there is to say of a look, without status and journal."""
    bootstrapped = bool(previous.get("bootstrapped"))
    return DatabasePlan(
        labels=labels(report),
        change=changed(report.view, report.leader, previous),
        refusal=asked.refusal,
        loss=lost.answer,
        saved=tuple(errant.told(report.view, report.saved, previous)),
        primary_ready=report.leader is not None and bootstrapped,
        readers_ready=len(report.eligible),
        waiting=_waiting(finding, report.leader, bootstrapped=bootstrapped),
        problem=finding.problem or rolling.problem or _first_problem(report.cares),
        durability=durability(report),
        replication=replication(report),
    )


def _status(
    report: Report, previous: Mapping[str, Any], steps: tuple[Step, ...], asked: Promotion
) -> Mapping[str, Any]:
    bootstrapped = bool(previous.get("bootstrapped")) or report.leader is not None
    found = status(report, previous.get("claim"), bootstrapped=bootstrapped) | told(
        steps, report.leader, previous, report.unled
    )
    return found | ({"promotion": asked.record} if asked.record else {})


def _waiting(finding: Finding, leader: InstanceView | None, *, bootstrapped: bool) -> Reason | None:
    if leader is None:
        return finding.waiting or finding.problem or STARTING
    if not bootstrapped:
        return Reason("GroupFounded", "The group runs; that is being written down before anything uses it.")
    return None


def _finding(
    view: DatabaseView,
    leader: InstanceView | None,
    previous: Mapping[str, Any],
    journal: Mapping[str, Any] | None,
    now: float,
    members: Mapping[str, Care],
    failed: tuple[str, ...],
) -> Finding:
    """Judge a group by who belongs to it while it has a primary, else by what it could be founded on or taken up from.

    Without the replication account nobody can be copied or let in.
    """
    claim = previous.get("claim")
    if leader is None:
        bootstrapped = bool(previous.get("bootstrapped"))
        return founding(view, claim, journal, now, bootstrapped=bootstrapped, failed=failed)
    if claim is None or view.replication is None:
        return Finding()
    found = membership(view, leader, claim, members)
    operation = (found.operation, leader.instance.name, found.reason) if found.operation else None
    return Finding(step=found.step, operation=operation)


def _copied(members: Mapping[str, Care]) -> tuple[Operation, str, str] | None:
    """Return the member that is being copied or joins, for the journal."""
    return next(((it.operation, name, it.reason) for name, it in members.items() if it.operation), None)


def _steps(group: tuple[Step | None, ...], report: Report, recreate: Step | None) -> tuple[Step, ...]:
    """Order what is due: the group first, then readers; a pod is made anew only in a look that asks for no more.

    Settings come last and hold nothing up: one that a server refuses is asked for at each look.
    """
    due = (*group, *(it.step for it in report.cares.values()), *(it.step for it in report.drains.values()))
    steps = tuple(step for step in due if step is not None)
    return (steps or ((recreate,) if recreate else ())) + tunings(report.view)


def _first_problem(cares: Mapping[str, Care]) -> Reason | None:
    return next((it.problem for it in cares.values() if it.problem), None)


def _readers(
    view: DatabaseView,
    previous: Mapping[str, Any],
    journal: Mapping[str, Any] | None,
    now: float,
    leaving: frozenset[str],
    leader: InstanceView | None,
    strays: errant.Strays,
    unled: float,
) -> ReaderJudgements:
    before = {it["name"]: it for it in previous.get("instances") or ()}

    def judged(reader: InstanceView) -> Verdict:
        fresh = eligible(reader, leader, view, before.get(reader.instance.name), unled)
        return fresh._replace(eligible=fresh.eligible and reader.instance.name not in strays)

    verdicts = {reader.instance.name: judged(reader) for reader in view.of(Role.READER)}
    drains = {
        reader.instance.name: drain(
            reader,
            started(journal, Operation.DRAIN_READER, reader.instance.name, now),
            now,
            max_lag=view.max_lag,
            timeout=view.drain_timeout,
        )
        for reader in view.of(Role.READER)
        if reader.instance.name in leaving
    }
    return ReaderJudgements({}, drains, verdicts)


def _members(leader: InstanceView, policy: errant.Policy, failed: tuple[str, ...]) -> dict[str, Care]:
    view = policy.view
    around = Company(policy.group_name, source(view, donors(view, leader)), policy.replication, policy)
    cares: dict[str, Care] = {}
    for member in _tried_last(view.of(Role.MEMBER), failed):
        if member is leader:
            continue
        cares[member.instance.name] = care = members_.care(member, around)
        if isinstance(care.step, Clone):
            around = around._replace(donor=None)
    return cares


def _tried_last(instances: tuple[InstanceView, ...], failed: tuple[str, ...]) -> list[InstanceView]:
    """Order instances so that one at which a step failed keeps no other waiting."""
    tries = {name: number for number, name in enumerate(failed)}
    return sorted(instances, key=lambda it: tries.get(it.instance.name, -1))


def _cares(
    leader: InstanceView,
    policy: errant.Policy,
    readers: ReaderJudgements,
    failed: tuple[str, ...],
    members: Mapping[str, Care],
) -> dict[str, Care]:
    view = policy.view
    copying = any(isinstance(it.step, Clone) for it in members.values())
    around = Surroundings(
        leader,
        policy.group_name,
        None if copying else readers_.donor(view, leader, readers.eligible()),
        policy.replication,
        tuple(online(view, leader)),
        policy,
    )
    cares: dict[str, Care] = {}
    for reader in _tried_last(view.of(Role.READER), failed):
        if reader.instance.name in readers.drains:
            continue
        cares[reader.instance.name] = care = readers_.care(reader, around)
        if care.operation and care.step:
            around = around._replace(donor=None)
    return cares


def _settled(view: DatabaseView, leader: InstanceView | None, readers: ReaderJudgements) -> frozenset[str]:
    """Name the instances that do what they are there for, or will not by themselves; the others are waited for."""
    members = {member.instance.name for member in online(view, leader) if member.pod.ready}
    hopeless = {name for name, it in readers.cares.items() if it.problem}
    return frozenset(members | hopeless | set(readers.drains)) | readers.eligible()
