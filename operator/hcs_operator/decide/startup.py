"""Which tiers may exist yet: queue, cache and database first, then the migration, then readers and services, then the
gateway.

A tier is opened by what it needs being ready, never by time. What exists is never taken away again because something
it needs has failed since, and is healed without waiting; only the services wait once more for each new migration.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hcs_operator.api.names import QUEUE, Names
from hcs_operator.api.observed import Child, Document, Gate, Reason, Snapshot

FOUNDATION, ENGINES, SCHEMA, READERS, SERVICES, GATEWAY = (
    "FOUNDATION", "ENGINES", "SCHEMA", "READERS", "SERVICES", "GATEWAY",
)  # fmt: skip
"""Names of `build`'s tiers, in the order of a start."""

UPSTREAMS = ("write-api", "async-api", "read-api")


@dataclass(frozen=True)
class Engines:
    """What the database's own decision says of it: is there a primary that takes writes with the accounts set?"""

    primary_ready: bool


def gate(snapshot: Snapshot, engines: Engines, tiers: Mapping[str, Iterable[Child]]) -> Gate:
    """Return the open tiers, and for each closed one what it waits for. `tiers` names the wanted objects of each."""
    jobs = [child for child in tiers.get(SCHEMA, ()) if child.kind == "Job"]
    migrated = None if all(_complete(snapshot.live.get(job)) for job in jobs) else _migration(snapshot, jobs)
    needs = {
        SCHEMA: None if engines.primary_ready else Reason("WaitingForDatabase", "the database has no primary yet"),
        READERS: migrated,
        SERVICES: migrated or _unready(snapshot, ("cache", "queue")) or _minority(snapshot),
        GATEWAY: _unready(snapshot, UPSTREAMS),
    }
    waiting = {}
    for tier, need in needs.items():
        exists = any(child in snapshot.live for child in tiers.get(tier, ()) if child.kind != "Job")
        must = migrated if tier == SERVICES else need if not exists else None
        found = must if exists else need
        if found is not None:
            waiting[tier] = found
    return Gate(frozenset({FOUNDATION, ENGINES, *needs}) - frozenset(waiting), waiting)


def _unready(snapshot: Snapshot, components: Iterable[str]) -> Reason | None:
    missing = [component for component in components if not snapshot.ready(component)]
    if not missing:
        return None
    return Reason(f"WaitingFor{_camel(missing[0])}", f"no pod is ready of: {', '.join(missing)}")


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
