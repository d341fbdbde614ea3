"""Carries out a plan, in an order in which every prefix is a good state to be interrupted in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from hcs_operator.act import database
from hcs_operator.act.apply import Applier, Record
from hcs_operator.act.events import Event, Move, healed, scaled
from hcs_operator.act.labels import label
from hcs_operator.act.prune import prune
from hcs_operator.act.renew import renew
from hcs_operator.act.scale import workers_in
from hcs_operator.act.secure import secure
from hcs_operator.act.volumes import grow, remake
from hcs_operator.api.observed import Child, Reason
from hcs_operator.api.spec import Stack
from hcs_operator.decide.database.steps import Unfenced, failing, subject
from hcs_operator.decide.plan import Plan, Seen
from hcs_operator.decide.scaling import reader_set, worker_set
from hcs_operator.kube.errors import BudgetSpent, Conflict, Failed, NotFound, Refused
from hcs_operator.kube.port import Kube, Ref
from hcs_operator.mysql.errors import DatabaseError
from hcs_operator.mysql.port import DatabasePort
from hcs_operator.observe.ports import ServicePort
from hcs_operator.observe.store import Key, WatchStore

BEGUN_WITHIN = 10.0
"""Seconds from a look's beginning in which a step is begun that nothing at its target fences: what the look saw of the
other members is older then, and another operator may have taken over from one that was frozen (`runtime.lease`)."""

log = structlog.get_logger(__name__)


@dataclass
class Hands:
    """All that acting needs, and what is remembered of each stack's documents."""

    kube: Kube
    store: WatchStore
    database: DatabasePort
    services: ServicePort
    cluster_domain: str
    clock: Callable[[], float]
    """Unix seconds."""
    records: dict[Key, Record] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """What was done and what could not be."""

    changed: tuple[str, ...] = ()
    problems: tuple[Reason, ...] = ()
    events: tuple[Event, ...] = ()
    moves: tuple[Move, ...] = ()
    """Replica counts that were written; each has its event."""
    failed: tuple[str, ...] = ()
    """Database instances at which the last step failed, the latest last."""
    held: tuple[str, ...] = ()
    """What disruption budgets hold up, in words."""


async def carry_out(hands: Hands, stack: Stack, seen: Seen, plan: Plan) -> Done:
    """Do all of it; a paused stack is only looked at."""
    if stack.spec.paused:
        return Done()
    if seen.snapshot.earlier:
        return Done()  # what goes by itself must not be taken for this stack's own, nor its passwords
    secured = await secure(hands.kube, hands.store, stack, seen.snapshot, hands.cluster_domain, _record(hands, stack))
    first = Done(tuple(secured.made), tuple(secured.problems), tuple(map(healed, secured.healed)))
    if secured.made or not secured.complete:
        return first  # pods are made from the hashes of Secrets: look at those first
    return _joined(first, *[await _told(part(hands, stack, seen, plan)) for part in _PARTS])


async def _told(part: Awaitable[Done]) -> Done:
    """A part that the API server refuses leaves the others theirs, and is told. Without any answer the look ends."""
    try:
        return await part
    except (NotFound, Conflict, Refused, Failed) as failure:
        return Done(problems=(Reason("ChangeRefused", f"The API server refuses a change: {failure}"),))


async def _mounts(hands: Hands, _stack: Stack, seen: Seen, plan: Plan) -> Done:
    return Done(tuple(await renew(hands.kube, seen.snapshot, plan.renewals)))


async def _children(hands: Hands, stack: Stack, seen: Seen, plan: Plan) -> Done:
    record = _record(hands, stack)
    grown, stuck = await grow(hands.kube, hands.store, seen.snapshot, record, plan.volumes.growing)
    applied = await Applier(hands.kube, hands.store, seen.snapshot, stack.uid, record).all(plan.volumes.documents)
    remade = await remake(hands.kube, seen.snapshot, record, plan.volumes.remade)
    pruned = await prune(hands.kube, seen.snapshot, plan.unwanted)
    record.known.difference_update(plan.unwanted)
    changed = (*grown, *applied.changed, *remade, *pruned)
    return Done(changed, (*applied.problems, *stuck), tuple(map(healed, applied.healed)))


async def _database(hands: Hands, _stack: Stack, seen: Seen, plan: Plan) -> Done:
    """Take the steps; one that fails at an instance leaves the others theirs, and is told when it fails again.

    One that a disruption budget holds up is told at once: the next look asks for it again, or for another one.
    """
    changed, failed, problems = await label(hands.kube, seen.snapshot, plan.database.labels), [], []
    held = []
    for step in plan.database.steps:
        if isinstance(step, Unfenced) and hands.clock() - seen.snapshot.now > BEGUN_WITHIN:
            log.warning("look_too_old", stack=seen.snapshot.stack, step=type(step).__name__)
            continue
        try:
            await database.execute(step, hands.database, hands.kube)
            changed.append(f"database: {type(step).__name__}")
        except BudgetSpent as budget:
            log.info("budget_spent", stack=seen.snapshot.stack, step=type(step).__name__, answer=str(budget))
            held.append(f"{subject(step)} is not made anew yet: {budget}")
        except DatabaseError as failure:
            log.warning("step_failed", stack=seen.snapshot.stack, step=type(step).__name__, error=str(failure))
            failed.append(subject(step))
            if subject(step) in plan.memory.failed:
                problems.append(failing(step, failure.word, str(failure)))
    tried = {subject(step) for step in plan.database.steps}
    before = (name for name in plan.memory.failed if name not in tried)
    return Done(tuple(changed), tuple(problems), failed=(*before, *failed), held=tuple(held))


async def _counts(hands: Hands, stack: Stack, seen: Seen, plan: Plan) -> Done:
    changed: list[str] = []
    moves: list[Move] = []
    workers, readers = Ref(*_placed(stack, worker_set(stack))), Ref(*_placed(stack, reader_set(stack)))
    if plan.workers_to is not None and plan.workers.recommendation is not None:
        current, wanted = plan.workers.current, plan.workers_to
        if wanted > current:
            await hands.kube.scale(workers, wanted)
            reached = wanted
        else:
            reached = await workers_in(hands.kube, hands.services, seen.snapshot, workers, (current, wanted))
        if reached != current:
            changed.append(f"workers: {current} -> {reached}")
            moves.append(Move("workers", current, reached, plan.workers.recommendation.reason))
    if plan.readers_to is not None and plan.readers_why is not None:
        await hands.kube.scale(readers, plan.readers_to)
        changed.append(f"read replicas: {plan.readers.current} -> {plan.readers_to}")
        moves.append(Move("readReplicas", plan.readers.current, plan.readers_to, plan.readers_why))
    return Done(tuple(changed), events=tuple(map(scaled, moves)), moves=tuple(moves))


_PARTS = (_mounts, _children, _database, _counts)


def _record(hands: Hands, stack: Stack) -> Record:
    key = Key(stack.namespace, stack.name)
    record = hands.records.get(key)
    if record is None or record.uid != stack.uid:
        record = hands.records[key] = Record(stack.uid)
    return record


def _placed(stack: Stack, child: Child) -> tuple[str, str, str]:
    return child.kind, stack.namespace, child.name


def _joined(*parts: Done) -> Done:
    return Done(
        tuple(entry for part in parts for entry in part.changed),
        tuple(entry for part in parts for entry in part.problems),
        tuple(entry for part in parts for entry in part.events),
        tuple(entry for part in parts for entry in part.moves),
        tuple(entry for part in parts for entry in part.failed),
        tuple(entry for part in parts for entry in part.held),
    )
