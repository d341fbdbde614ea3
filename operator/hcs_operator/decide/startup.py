"""Which tiers may exist yet: queue, cache and database first, then the migration, then readers and services, then the
gateway.

A tier is opened by what it needs being ready, never by time. What exists is never taken away again because something
it needs has failed since, and is healed without waiting. An upgrade keeps the order of a start: the services wait once
more for each new migration, and a gateway that gets another image for the migration and for the services' rollout.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from hcs_operator.api.database import template_hash
from hcs_operator.api.names import QUEUE, Names
from hcs_operator.api.observed import Child, Document, Gate, Reason, Snapshot
from hcs_operator.decide.diff import drift

FOUNDATION, ENGINES, SCHEMA, READERS, SERVICES, GATEWAY = (
    "FOUNDATION", "ENGINES", "SCHEMA", "READERS", "SERVICES", "GATEWAY",
)  # fmt: skip
"""Names of `build`'s tiers, in the order of a start."""

UPSTREAMS = ("write-api", "async-api", "read-api")


@dataclass(frozen=True)
class Engines:
    """What the database's own decision says of it: is there a primary that takes writes with the accounts set?"""

    primary_ready: bool


def gate(
    snapshot: Snapshot,
    engines: Engines,
    tiers: Mapping[str, Collection[Child]],
    behind: AbstractSet[Child] = frozenset(),
) -> Gate:
    """Return the open tiers, and for each closed one what it waits for. `tiers` names the wanted objects of each."""
    jobs = [child for child in tiers.get(SCHEMA, ()) if child.kind == "Job"]
    migrated = None if all(_complete(snapshot.live.get(job)) for job in jobs) else _migration(snapshot, jobs)
    needs = {
        SCHEMA: None if engines.primary_ready else Reason("WaitingForDatabase", "the database has no primary yet"),
        READERS: migrated,
        SERVICES: migrated or _unready(snapshot, ("cache", "queue")) or _minority(snapshot),
        GATEWAY: _unready(snapshot, UPSTREAMS),
    }
    musts = {SERVICES: migrated}
    if not behind.isdisjoint(tiers.get(GATEWAY, ())):
        musts[GATEWAY] = migrated or _unrolled(snapshot, tiers.get(SERVICES, ()), behind)
    waiting = {}
    for tier, need in needs.items():
        exists = any(child in snapshot.live for child in tiers.get(tier, ()) if child.kind != "Job")
        found = musts.get(tier) if exists else need
        if found is not None:
            waiting[tier] = found
    return Gate(frozenset({FOUNDATION, ENGINES, *needs}) - frozenset(waiting), waiting)


def behind(snapshot: Snapshot, documents: Iterable[Document]) -> frozenset[Child]:
    """Return the Deployments that have yet to be given a wanted image. What others add to them makes no difference."""
    wanted = ((Child(it["kind"], it["metadata"]["name"]), it) for it in documents if it["kind"] == "Deployment")
    return frozenset(
        child for child, it in wanted if child in snapshot.live and drift(_images(it), snapshot.live[child])
    )


def unwritten(snapshot: Snapshot, documents: Iterable[Document]) -> bool:
    """Say whether a StatefulSet has yet to be given its pods' wanted template: an operator may end between two."""
    wanted = ((Child(it["kind"], it["metadata"]["name"]), it) for it in documents if it["kind"] == "StatefulSet")
    return any(
        template_hash(it) != template_hash(snapshot.live[child]) for child, it in wanted if child in snapshot.live
    )


def observed(workload: Document) -> bool:
    """Say whether its controller has seen what was last written."""
    seen = (workload.get("status") or {}).get("observedGeneration", 0)
    return bool(seen >= workload["metadata"].get("generation", 0))


def rolling(workload: Document) -> bool:
    """Say whether pods of an earlier template are left, or may be."""
    status = workload.get("status") or {}
    return not observed(workload) or int(status.get("updatedReplicas") or 0) < int(status.get("replicas") or 0)


def _images(workload: Document) -> Document:
    containers = [
        {"name": it["name"], "image": it["image"]} for it in workload["spec"]["template"]["spec"]["containers"]
    ]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def _unrolled(snapshot: Snapshot, services: Iterable[Child], behind: AbstractSet[Child]) -> Reason | None:
    """Say which services are not all of their new image; one that is gone is about to be made."""
    left = [
        child.name.removeprefix(f"{snapshot.stack}-")
        for child in services
        if child in behind or child not in snapshot.live or rolling(snapshot.live[child])
    ]
    return _awaited(left, "the gateway gets its new image after")


def _unready(snapshot: Snapshot, components: Iterable[str]) -> Reason | None:
    return _awaited([component for component in components if not snapshot.ready(component)], "no pod is ready of")


def _awaited(missing: Sequence[str], told: str) -> Reason | None:
    return Reason(f"WaitingFor{_camel(missing[0])}", f"{told}: {', '.join(missing)}") if missing else None


def _minority(snapshot: Snapshot) -> Reason | None:
    """Say that most of the queue's nodes are missing: what is accepted now would be held by too few of them."""
    workload = snapshot.live.get(Child("StatefulSet", Names(snapshot.stack).of(QUEUE)))
    wanted = int(workload["spec"].get("replicas", 1)) if workload else 1
    ready = len(snapshot.ready(QUEUE))
    if 2 * ready > wanted:
        return None
    return Reason("WaitingForQueue", f"{ready} of {wanted} nodes of the queue are ready, and it takes a majority")


def _migration(snapshot: Snapshot, jobs: Iterable[Child]) -> Reason:
    for job in jobs:
        if job in snapshot.live:
            broken = next((pod.problem for pod in snapshot.of("migrate") if pod.problem), None)
            detail = f": {broken.message}" if broken else " and has not finished yet"
            return Reason("WaitingForMigration", f"the schema migration {job.name} runs{detail}")
    return Reason("WaitingForMigration", "the schema migration has not started yet")


def _complete(job: Document | None) -> bool:
    status = (job or {}).get("status") or {}
    return any(entry["type"] == "Complete" and entry["status"] == "True" for entry in status.get("conditions") or ())


def _camel(component: str) -> str:
    return "".join(part.title() for part in component.split("-"))
