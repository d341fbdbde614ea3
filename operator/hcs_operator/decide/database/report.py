"""What there is to say about a database: labels on pods, `status.database`, and the conditions' reasons."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hcs_operator.api.database import READ_LABEL, ROLE_LABEL, DatabaseView, InstanceView, Role
from hcs_operator.api.observed import Reason
from hcs_operator.api.times import stamp
from hcs_operator.decide.database.copying import Care
from hcs_operator.decide.database.drain import Drain
from hcs_operator.decide.database.outcome import Labels
from hcs_operator.decide.database.readers import lagging
from hcs_operator.decide.database.throttling import throttled
from hcs_operator.decide.database.verdicts import counted_online, online


class Report(NamedTuple):
    """The judgements that labels, status and conditions are made of."""

    view: DatabaseView
    leader: InstanceView | None
    cares: Mapping[str, Care]
    drains: Mapping[str, Drain]
    eligible: frozenset[str]
    saved: Mapping[str, str]
    """By instance: the ConfigMap with what it had of its own."""
    slowing: tuple[InstanceView, ...] = ()
    """The members for whose sake the group slows its writes."""
    unled: float | None = None
    """Since when nobody leads (Unix seconds); None while somebody does, and before anybody ever did."""


def labels(report: Report) -> Labels:
    """Return role and read labels; they serve people and simple clients, the services ask the group itself.

    An instance that does not answer us while its pod is ready keeps its own: its clients may well get answers, and a
    Service without endpoints serves nobody. Only what another one leads or what is leaving is taken from it.
    """
    return {it.pod.name: {ROLE_LABEL: _role(report, it), READ_LABEL: _read(report, it)} for it in report.view.instances}


def _read(report: Report, it: InstanceView) -> str | None:
    if it.facts is None and it.pod.ready and it.instance.name not in report.drains:
        return it.pod.labels.get(READ_LABEL)
    return "eligible" if it.instance.name in report.eligible else None


def _role(report: Report, it: InstanceView) -> str | None:
    if it is report.leader:
        return "primary"
    if it.facts is None and it.pod.ready:
        known = it.pod.labels.get(ROLE_LABEL)
        return None if known == "primary" and report.leader else known
    member = it.instance.role is Role.MEMBER and it.facts is not None
    return "secondary" if member and it.facts and it.facts.group.role == "SECONDARY" else None


def status(report: Report, claim: Mapping[str, Any] | None, *, bootstrapped: bool) -> dict[str, Any]:
    """Return `status.database` without the claim and who leads; nothing in it changes at every look."""
    safe, why = _safe_to_lose_primary(report)
    return {
        **({"groupName": claim["groupName"]} if claim else {}),
        "bootstrapped": bootstrapped,
        "safeToLosePrimary": safe,
        "safeToLosePrimaryReason": why,
        "instances": [_instance(report, it) for it in report.view.instances],
    }


def _instance(report: Report, it: InstanceView) -> dict[str, Any]:
    name = it.instance.name
    state, reason = _state(report, it)
    return {
        "name": name,
        "role": it.instance.role.value,
        "state": state,
        "readEligible": name in report.eligible,
        "lagging": name in lagging(report.cares, report.eligible) or it in report.slowing,
        "reason": reason,
        **({"export": report.saved[name]} if name in report.saved else {}),
    }


def _state(report: Report, it: InstanceView) -> tuple[str, str]:
    if it.instance.name in report.drains:
        return "Draining", report.drains[it.instance.name].reason
    if it.instance.name in report.cares:
        care = report.cares[it.instance.name]
        return care.state, care.reason
    if it.facts is None:
        return "Unreachable", it.unreachable.message
    if it.instance.role is Role.READER:
        return "Waiting", "no primary is known; it keeps what it has"
    return it.facts.group.state, ""


def _safe_to_lose_primary(report: Report) -> tuple[bool, str]:
    leader, count = report.leader, counted_online(report.view, report.leader)
    if leader is None:
        return False, "NoPrimary"
    if count < 2:
        return False, "SingleMember"
    beside = sum(it.pod.node == leader.pod.node for it in online(report.view, leader))
    if count <= beside:
        return False, "SingleNode"
    return True, "AnotherMemberOnline"


def durability(report: Report) -> Reason | None:
    """Say why an acknowledged write could be lost with one volume; None when it could not."""
    count = counted_online(report.view, report.leader)
    if count >= 2:
        return None
    if count == 0:
        return Reason("NoMemberOnline", "No member of the database's group is online.")
    return Reason(
        "SingleMember",
        "One member is online: an acknowledged write survives restarts, but not the loss of its volume.",
    )


def replication(report: Report) -> Reason | None:
    """Say why members or readers are not where they should be; None when each applies what it gets and is fresh."""
    if slowed := throttled(report.slowing):
        return slowed
    readers = report.view.of(Role.READER)
    if not readers:
        return None
    if report.leader is None:
        return Reason("NoPrimary", _without_primary(report))
    behind = [
        f"{reader.instance.name} is {_state(report, reader)[0]}"
        for reader in readers
        if reader.instance.name not in report.eligible and reader.instance.name not in report.drains
    ]
    if not behind:
        return None
    return Reason("ReadersBehind", f"{len(behind)} of {len(readers)} readers do not serve: {', '.join(behind)}.")


def _without_primary(report: Report) -> str:
    """Say who serves without a primary, and until when."""
    if report.unled is None:
        return "There has been no primary yet for readers to follow."
    since, longest = stamp(report.unled), report.view.max_staleness
    if not report.eligible:
        return f"No reader serves: there has been no primary since {since}, and without one they do for {longest:g} s."
    until = stamp(report.unled + longest)
    return (
        f"There has been no primary since {since}; readers serve what they have until {until}, and beyond that only "
        "those that its heartbeat still reaches."
    )
