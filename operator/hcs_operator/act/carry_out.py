"""Carries out a plan, in an order in which every prefix is a good state to be interrupted in."""

from dataclasses import dataclass, field

import structlog

from hcs_operator.act import database
from hcs_operator.act.apply import Applier, Record
from hcs_operator.act.events import Event, healed, scaled
from hcs_operator.act.labels import label
from hcs_operator.act.prune import prune
from hcs_operator.act.scale import workers_in
from hcs_operator.act.secure import secure
from hcs_operator.api.observed import Child, Reason
from hcs_operator.api.spec import Stack
from hcs_operator.decide.plan import Plan, Seen
from hcs_operator.decide.scaling import reader_set, worker_set
from hcs_operator.kube.port import Kube, Ref
from hcs_operator.mysql.errors import DatabaseError
from hcs_operator.mysql.port import DatabasePort
from hcs_operator.observe.ports import ServicePort
from hcs_operator.observe.store import Key, WatchStore

log = structlog.get_logger(__name__)


@dataclass
class Hands:
    """All that acting needs, and what is remembered of each stack's documents."""

    kube: Kube
    store: WatchStore
    database: DatabasePort
    services: ServicePort
    cluster_domain: str
    records: dict[Key, Record] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """What was done and what could not be."""

    changed: tuple[str, ...] = ()
    problems: tuple[Reason, ...] = ()
    events: tuple[Event, ...] = ()
    counts: tuple[tuple[str, str], ...] = ()
    """Tier and reason of each count written."""


async def carry_out(hands: Hands, stack: Stack, seen: Seen, plan: Plan) -> Done:
    """Do all of it; a paused stack is only looked at."""
    if stack.spec.paused:
        return Done()
    made = await secure(hands.kube, hands.store, stack, seen.snapshot, hands.cluster_domain)
    if made:
        return Done(tuple(made))  # pods are made from the hashes of Secrets: look at those first
    children = await _children(hands, stack, seen, plan)
    database_ = await _database(hands, seen, plan)
    return _joined(children, database_, await _counts(hands, stack, seen, plan))


async def _children(hands: Hands, stack: Stack, seen: Seen, plan: Plan) -> Done:
    record = hands.records.setdefault(Key(stack.namespace, stack.name), Record())
    applied = await Applier(hands.kube, hands.store, seen.snapshot, stack.uid, record).all(plan.documents)
    pruned = await prune(hands.kube, seen.snapshot, plan.unwanted)
    record.known.difference_update(plan.unwanted)
    return Done((*applied.changed, *pruned), tuple(applied.problems), tuple(map(healed, applied.healed)))


async def _database(hands: Hands, seen: Seen, plan: Plan) -> Done:
    changed = await label(hands.kube, seen.snapshot, plan.database.labels)
    for step in plan.database.steps:
        try:
            await database.execute(step, hands.database, hands.kube)
        except DatabaseError as failure:
            log.warning("step_failed", stack=seen.snapshot.stack, step=type(step).__name__, error=str(failure))
            break
        changed.append(f"database: {type(step).__name__}")
    return Done(tuple(changed))


async def _counts(hands: Hands, stack: Stack, seen: Seen, plan: Plan) -> Done:
    changed, events, counts = [], [], []
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
            events.append(scaled("Workers", current, reached, plan.workers.recommendation.reason))
            counts.append(("workers", plan.workers.recommendation.reason.word))
    if plan.readers_to is not None and plan.readers_why is not None:
        await hands.kube.scale(readers, plan.readers_to)
        changed.append(f"read replicas: {plan.readers.current} -> {plan.readers_to}")
        events.append(scaled("ReadReplicas", plan.readers.current, plan.readers_to, plan.readers_why))
        counts.append(("readReplicas", plan.readers_why.word))
    return Done(tuple(changed), events=tuple(events), counts=tuple(counts))


def _placed(stack: Stack, child: Child) -> tuple[str, str, str]:
    return child.kind, stack.namespace, child.name


def _joined(*parts: Done) -> Done:
    return Done(
        tuple(entry for part in parts for entry in part.changed),
        tuple(entry for part in parts for entry in part.problems),
        tuple(entry for part in parts for entry in part.events),
        tuple(entry for part in parts for entry in part.counts),
    )
