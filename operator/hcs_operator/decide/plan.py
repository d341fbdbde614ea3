"""What should happen to one stack now: one pure function over all the others."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from hcs_operator.api.database import DatabaseView
from hcs_operator.api.names import DB, LIMITS, QUEUE, REPLICA
from hcs_operator.api.observed import Child, Gate, Reason, Scaling, Snapshot
from hcs_operator.api.spec import Stack
from hcs_operator.build import Context, Desired, desired
from hcs_operator.build.queue_cluster import FORMED
from hcs_operator.decide.autoscaling.readers import ReaderState
from hcs_operator.decide.autoscaling.workers import WorkerState
from hcs_operator.decide.database.membership import pods_wanted
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan as plan_database
from hcs_operator.decide.database.steps import Recreate
from hcs_operator.decide.doubt import DATABASE, Answers, steadied
from hcs_operator.decide.laws import look_every
from hcs_operator.decide.pruning import unwanted
from hcs_operator.decide.renewal import renewals
from hcs_operator.decide.scaling import counts, may_write, reader_set, replicas_of, scale_readers, scale_workers
from hcs_operator.decide.startup import Engines, behind, gate, unwritten
from hcs_operator.decide.volumes import Volumes, volumes

S = TypeVar("S")


@dataclass(frozen=True)
class Release:
    """What comes with the installation of the operator, not with a stack."""

    images: Mapping[str, str]
    cluster_domain: str
    namespace: str
    """Where the operator itself runs: network policies admit it from there."""


@dataclass(frozen=True)
class Memory:
    """What is remembered of a stack from one look to the next; a restarted operator does without."""

    workers: WorkerState | None = None
    readers: ReaderState | None = None
    leaving: frozenset[str] | None = None
    """Readers that are being drained before the count is lowered; None after a restart: then the journal knows."""
    leaving_why: Reason | None = None
    answers: Answers = field(default_factory=Answers)
    failed: tuple[str, ...] = ()
    """Database instances at which the last step failed, the latest last: the others come first now."""


@dataclass(frozen=True)
class Seen:
    """One look: the stack's objects and services, and its database."""

    snapshot: Snapshot
    database: DatabaseView


@dataclass(frozen=True)
class Plan:
    """What is to be done, in the order of the fields, and what there is to tell."""

    renewals: Mapping[str, str]
    """By pod: what to write on it so that its kubelet renews the files of Secrets made anew."""
    volumes: Volumes
    """The documents of the open tiers, and what the volumes in them need."""
    unwanted: tuple[Child, ...]
    database: DatabasePlan
    workers: Scaling
    readers: Scaling
    workers_to: int | None
    """The workers' count to write; None when there is nothing to write."""
    readers_to: int | None
    readers_why: Reason | None
    """The numbers behind `readers_to`: a reader goes long after it was decided, when its reads have ended."""
    gate: Gate
    images: Mapping[str, str]
    memory: Memory
    look_every: float
    """Seconds until the next look, at most."""


def doubt(seen: Seen, memory: Memory) -> tuple[Seen, Memory]:
    """Return the look in which first silences are doubted, and the memory of what was answered."""
    found = steadied(seen.snapshot, seen.database, memory.answers)
    return Seen(found.snapshot, found.database), replace(memory, answers=found.answers)


def decide(stack: Stack, seen: Seen, memory: Memory, release: Release) -> Plan:
    """Return the plan for one look."""
    snapshot, memory = seen.snapshot, _reminded(memory, stack.status.get("journal") or {})
    database = plan_database(
        seen.database,
        previous=stack.status.get("database") or {},
        journal=stack.status.get("journal"),
        now=snapshot.now,
        leaving=memory.leaving or frozenset(),
        gone=_beyond(stack, snapshot),
        failed=memory.failed,
    )
    if DATABASE in memory.answers.doubted:
        database = replace(database, steps=(), drained=frozenset())  # nothing is done on a word that may be out of date
    workers = scale_workers(stack, snapshot, memory.workers)
    readers = scale_readers(stack, snapshot, database, memory.readers)
    images = pinned(stack, release)
    leaving = _leaving(stack, readers, memory)
    staying = readers.current - (1 if leaving and leaving <= database.drained else 0)
    wanted = desired(stack, _context(stack, snapshot, images, release, staying))
    documents = [item.document for item in wanted]
    stale = behind(snapshot, documents)
    if unwritten(snapshot, documents):
        database = _keeping_pods(database)
    opened = gate(snapshot, Engines(database.primary_ready), _tiers(wanted), stale)
    reason = readers.recommendation.reason if readers.recommendation else None
    why = (memory.leaving_why if leaving and leaving == memory.leaving else None) or reason
    return Plan(
        renewals=renewals(snapshot),
        volumes=volumes((item.document for item in wanted if item.tier.name in opened.open), snapshot),
        unwanted=unwanted(snapshot, stack.uid, {_child(item) for item in wanted}, kept(stack)),
        database=database,
        workers=workers,
        readers=readers,
        workers_to=_worker_count(stack, workers),
        readers_to=_reader_count(stack, readers, staying),
        readers_why=why,
        gate=opened,
        images=images,
        look_every=look_every(stack),
        memory=replace(
            memory,
            workers=_state(workers, memory.workers),
            readers=_state(readers, memory.readers),
            leaving=leaving,
            leaving_why=why,
        ),
    )


def _reminded(memory: Memory, journal: Mapping[str, str]) -> Memory:
    """Return what is remembered, with the reader that a restarted operator finds on its way out."""
    if memory.leaving is not None:
        return memory
    going = {journal["instance"]} if journal.get("operation") == Operation.DRAIN_READER else ()
    return replace(memory, leaving=frozenset(going))


def pinned(stack: Stack, release: Release) -> dict[str, str]:
    """Return the images a stack has when its spec names none: those of the release that first saw it, for good."""
    first: Mapping[str, str] = stack.status.get("images") or {}
    return {part: first.get(part) or image for part, image in release.images.items()}


def kept(stack: Stack) -> frozenset[Child]:
    """Name what is made once (passwords, keys) or renewed by date (certificates), and described by no document."""
    names = stack.names
    secrets = (
        names.database_secret,
        names.cache_secret,
        *((names.limits_secret,) if LIMITS in stack.components else ()),
        names.queue_secret,
        names.tokens_secret,
        names.authority,
        names.database_tls,
    )
    return frozenset({Child("ConfigMap", names.authority), *(Child("Secret", name) for name in secrets)})


def _context(
    stack: Stack, snapshot: Snapshot, images: Mapping[str, str], release: Release, readers_staying: int
) -> Context:
    hashes = {
        name: _digest(*sorted(f"{key}={value}" for key, value in data.items()))
        for name, data in snapshot.secrets.items()
    }
    named: dict[str, str | None] = stack.spec.images.model_dump()
    claim = (stack.status.get("database") or {}).get("claim")
    members = pods_wanted(claim, stack.spec.database.members)
    return Context(
        images={part: named.get(part) or image for part, image in images.items()},
        cluster_domain=release.cluster_domain,
        operator_namespace=release.namespace,
        replicas={DB: members, **counts(stack, snapshot, readers_staying)},
        secret_hashes=hashes,
        queue_formed=_queue_formed(stack, snapshot),
    )


def _queue_formed(stack: Stack, snapshot: Snapshot) -> bool:
    """Say whether most brokers of this stack were ever ready at once. Its ConfigMap remembers.

    A broker is ready only inside a cluster; one alone could not decide without another that has yet to get ready.
    Not by the pods: those of a deleted stack of this name may be left for a moment.
    """
    name = stack.names.of(QUEUE)
    told = snapshot.live.get(Child("ConfigMap", name), {}).get("data") or {}
    status = snapshot.live.get(Child("StatefulSet", name), {}).get("status") or {}
    return FORMED in told or 2 * int(status.get("readyReplicas") or 0) > stack.spec.queue.replicas


def _state(scaling: Scaling, before: S | None) -> S | None:
    """Return the law's new memory; what it knew while it was not asked (scaling off) is kept."""
    return scaling.recommendation.state if scaling.recommendation else before


def _tiers(wanted: Iterable[Desired]) -> dict[str, list[Child]]:
    found: defaultdict[str, list[Child]] = defaultdict(list)
    for item in wanted:
        found[item.tier.name].append(_child(item))
    return found


def _child(item: Desired) -> Child:
    return Child(item.document["kind"], item.document["metadata"]["name"])


def _worker_count(stack: Stack, scaling: Scaling) -> int | None:
    found = scaling.recommendation
    if found is None or not may_write(stack, scaling) or found.desired == scaling.current:
        return None
    return found.desired


def _readers_wanted(stack: Stack, readers: Scaling) -> int | None:
    """Return how many readers there shall be; None while that is for nobody here to say."""
    if stack.spec.autoscaling.mode == "Off":
        return None if readers.conflict or stack.spec.paused else stack.spec.read_replicas.replicas
    found = readers.recommendation
    return found.desired if found is not None and may_write(stack, readers) else None


def _leaving(stack: Stack, readers: Scaling, memory: Memory) -> frozenset[str]:
    """Name the reader that is to go: the one with the highest ordinal, until it is gone, or is wanted after all.

    A law that holds the count (it was just restarted, or sees no figures) does not say that the reader is wanted.
    """
    wanted = _readers_wanted(stack, readers)
    if wanted is None or wanted > readers.current:
        return frozenset()
    last = frozenset({f"{reader_set(stack).name}-{readers.current - 1}"})
    going = memory.leaving == last and stack.spec.autoscaling.mode != "Off"
    return last if wanted < readers.current or going else frozenset()


def _beyond(stack: Stack, snapshot: Snapshot) -> frozenset[str]:
    """Name the readers that the count no longer has, for as long as their pods are there: they stay drained."""
    readers = reader_set(stack)
    count = replicas_of(snapshot, readers)
    if count is None:
        return frozenset()
    counted = {f"{readers.name}-{ordinal}" for ordinal in range(count)}
    return frozenset(pod.name for pod in snapshot.pods if pod.component == REPLICA) - counted


def _keeping_pods(database: DatabasePlan) -> DatabasePlan:
    """Return the plan without pods made anew: whose turn it is cannot be told before every template is written."""
    return replace(database, steps=tuple(step for step in database.steps if not isinstance(step, Recreate)))


def _reader_count(stack: Stack, readers: Scaling, staying: int) -> int | None:
    found = readers.recommendation
    if found is None or not may_write(stack, readers):
        return None
    if found.desired > readers.current:
        return found.desired
    return staying if staying < readers.current else None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
