"""One look at a database → what to do now and what there is to say. The only function the operator's core calls."""

from collections.abc import Mapping
from typing import Any

from hcs_operator.api.database import DatabaseView, InstanceView, Role
from hcs_operator.api.observed import Reason
from hcs_operator.decide.database import readers as readers_
from hcs_operator.decide.database.drain import drain
from hcs_operator.decide.database.founding import STARTING, Finding, founding
from hcs_operator.decide.database.journal import ReaderJudgements, entry, started
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.readers import Care, Surroundings
from hcs_operator.decide.database.report import Report, durability, labels, replication, status
from hcs_operator.decide.database.roll import roll
from hcs_operator.decide.database.steps import Step
from hcs_operator.decide.database.verdicts import eligible, primary


def plan(
    view: DatabaseView,
    *,
    previous: Mapping[str, Any],
    journal: Mapping[str, Any] | None,
    now: float,
    leaving: frozenset[str] = frozenset(),
    failed: tuple[str, ...] = (),
) -> DatabasePlan:
    """Judge a look.

    `previous` is `status.database`, `journal` is `status.journal`, `now` Unix seconds, `leaving` the readers to drain,
    `failed` the instances at which the last step failed: where only one can be served, the others come first.
    """
    claim = previous.get("claim")
    bootstrapped = bool(previous.get("bootstrapped"))
    leader = primary(view, claim["groupName"]) if claim else None
    finding = Finding() if leader else founding(view, claim, bootstrapped=bootstrapped)
    readers = _readers(view, previous, journal, now, leaving, leader)
    if leader is not None and claim is not None and view.replication is not None:
        readers.cares.update(_cares(view, leader, claim["groupName"], readers, failed))
    rolling = roll(view, leader, _settled(view, readers))
    report = Report(view, leader, readers.cares, readers.drains, readers.eligible())
    return DatabasePlan(
        steps=_steps(finding, readers, rolling.step),
        labels=labels(report),
        status=status(report, claim, bootstrapped=bootstrapped or leader is not None),
        journal=entry(readers, rolling.pending, journal, now),
        primary_ready=leader is not None and bootstrapped,
        readers_ready=len(readers.eligible()),
        drained=frozenset(name for name in leaving if name not in readers.drains or readers.drains[name].done),
        lags={name: it.lag for name, it in readers.verdicts.items() if it.lag is not None and name not in leaving},
        waiting=_waiting(finding, leader, bootstrapped=bootstrapped),
        problem=finding.problem or rolling.problem or _first_problem(readers.cares),
        durability=durability(report),
        replication=replication(report),
    )


def _waiting(finding: Finding, leader: InstanceView | None, *, bootstrapped: bool) -> Reason | None:
    if leader is None:
        return finding.waiting or finding.problem or STARTING
    if not bootstrapped:
        return Reason("GroupFounded", "The group runs; that is being written down before anything uses it.")
    return None


def _steps(finding: Finding, readers: ReaderJudgements, recreate: Step | None) -> tuple[Step, ...]:
    """Order what is due: the group first, then readers; a pod is made anew only in a look that asks for no more."""
    due = [finding.step, *(it.step for it in readers.cares.values()), *(it.step for it in readers.drains.values())]
    steps = tuple(step for step in due if step is not None)
    return steps or ((recreate,) if recreate else ())


def _first_problem(cares: Mapping[str, Care]) -> Reason | None:
    return next((it.problem for it in cares.values() if it.problem), None)


def _readers(
    view: DatabaseView,
    previous: Mapping[str, Any],
    journal: Mapping[str, Any] | None,
    now: float,
    leaving: frozenset[str],
    leader: InstanceView | None,
) -> ReaderJudgements:
    before = {it["name"]: it for it in previous.get("instances") or ()}
    verdicts = {
        reader.instance.name: eligible(reader, leader, view, before.get(reader.instance.name))
        for reader in view.of(Role.READER)
    }
    drains = {
        reader.instance.name: drain(
            reader,
            started(journal, "DrainReader", reader.instance.name, now),
            now,
            max_lag=view.max_lag,
            timeout=view.drain_timeout,
        )
        for reader in view.of(Role.READER)
        if reader.instance.name in leaving
    }
    return ReaderJudgements({}, drains, verdicts)


def _cares(
    view: DatabaseView, leader: InstanceView, group_name: str, readers: ReaderJudgements, failed: tuple[str, ...]
) -> dict[str, Care]:
    assert view.replication is not None
    around = Surroundings(
        leader,
        group_name,
        readers_.donor(view, leader, readers.eligible()),
        view.replication,
        view.of(Role.MEMBER),
    )
    cares: dict[str, Care] = {}
    tries = {name: number for number, name in enumerate(failed)}
    for reader in sorted(view.of(Role.READER), key=lambda it: tries.get(it.instance.name, -1)):
        if reader.instance.name in readers.drains:
            continue
        cares[reader.instance.name] = care = readers_.care(reader, around)
        if care.operation and care.step:
            around = around._replace(donor=None)
    return cares


def _settled(view: DatabaseView, readers: ReaderJudgements) -> frozenset[str]:
    """Name the instances that do what they are there for, or will not by themselves; the others are waited for."""
    members = {
        member.instance.name
        for member in view.of(Role.MEMBER)
        if member.facts and member.facts.group.state == "ONLINE" and member.pod.ready
    }
    hopeless = {name for name, it in readers.cares.items() if it.problem}
    return frozenset(members | hopeless | set(readers.drains)) | readers.eligible()
