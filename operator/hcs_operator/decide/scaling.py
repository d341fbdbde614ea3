"""Feeds the autoscaling laws from a snapshot and a spec, and says whether their counts may be written."""

from hcs_operator.api.durations import seconds
from hcs_operator.api.names import REPLICA, WORKER
from hcs_operator.api.observed import CacheState, Child, PodView, Reason, Scaling, Snapshot
from hcs_operator.api.spec import Stack
from hcs_operator.decide.autoscaling import readers, workers
from hcs_operator.decide.autoscaling.readers import ReaderSamples, ReaderState
from hcs_operator.decide.autoscaling.workers import WorkerSamples, WorkerState
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.laws import reader_law, worker_law


def worker_set(stack: Stack) -> Child:
    """Name the workers' Deployment."""
    return Child("Deployment", stack.names.of(WORKER))


def reader_set(stack: Stack) -> Child:
    """Name the readers' StatefulSet."""
    return Child("StatefulSet", stack.names.of(REPLICA))


def counts(stack: Stack, snapshot: Snapshot, readers: int) -> dict[str, int | None]:
    """Return who owns which count, by component: a number stands in the document, None leaves it to `/scale`.

    Autoscaling off means the spec's own number (of readers at least `readers`, since each is drained before it goes);
    a workload that somebody else's scaler targets is left to that one. Readers that have outlived their StatefulSet
    are counted by their pods, so that it is made again for all of them.
    """
    off, orphans = stack.spec.autoscaling.mode == "Off", _orphans(snapshot, reader_set(stack))
    owned: dict[str, int | None] = {
        WORKER: stack.spec.workers.replicas if off else None,
        REPLICA: max(stack.spec.read_replicas.replicas, readers, orphans or 0) if off else orphans,
    }
    prefix = stack.names.of("")
    return owned | {child.name.removeprefix(prefix).removesuffix("-0"): None for child in snapshot.outside_scalers}


def _orphans(snapshot: Snapshot, workload: Child) -> int | None:
    """Return one more than the highest ordinal of the pods without their StatefulSet; None while it is there."""
    if workload in snapshot.live:
        return None
    ordinals = (int(pod.name.rpartition("-")[2]) for pod in snapshot.of(REPLICA))
    return max(ordinals, default=-1) + 1 or None


def may_write(stack: Stack, scaling: Scaling) -> bool:
    """Say whether a recommendation may become a count."""
    return stack.spec.autoscaling.mode == "Auto" and not stack.spec.paused and scaling.conflict is None


def busy_workers(snapshot: Snapshot) -> tuple[PodView, ...]:
    """Return the workers with tasks in flight, and those that run and do not say.

    One that is not ready may be among them: so much to do that its probes time out. One whose container has a problem
    (crash loop, image) works on nothing.
    """
    return tuple(pod for pod in snapshot.of(WORKER) if pod.ip and pod.problem is None and not idle(snapshot, pod))


def idle(snapshot: Snapshot, pod: PodView) -> bool:
    """Say whether a worker has told that it works on nothing."""
    seen = snapshot.inflight.get(pod.name)
    return seen is not None and seen.tasks == 0


def scale_workers(stack: Stack, snapshot: Snapshot, state: WorkerState | None) -> Scaling:
    """Return what the worker law makes of this look."""
    workload = worker_set(stack)
    current = replicas_of(snapshot, workload)
    if current is None or stack.spec.autoscaling.mode == "Off":
        return Scaling(current or 0, None)
    ready, busy = len(snapshot.ready(WORKER)), len(busy_workers(snapshot))
    samples = WorkerSamples(snapshot.now, current, ready, busy, snapshot.queue)
    found = workers.decide(samples, state, worker_law(stack))
    signals = {"arrivals": found.state.arrivals, "rate": found.state.rate or 0.0}
    return Scaling(current, found, snapshot.outside_scalers.get(workload), signals=signals)


def scale_readers(stack: Stack, snapshot: Snapshot, database: DatabasePlan, state: ReaderState | None) -> Scaling:
    """Return what the reader law makes of this look."""
    workload = reader_set(stack)
    current, conflict = replicas_of(snapshot, workload), snapshot.outside_scalers.get(workload)
    if current is None or stack.spec.autoscaling.mode == "Off":
        return Scaling(current or 0, None, conflict)
    samples = ReaderSamples(snapshot.now, current, snapshot.reads, cache_state(snapshot), _brake(stack, database))
    found = readers.decide(samples, state, reader_law(stack))
    signals = {"misses": found.state.misses, "hitRatio": found.state.hit_ratio or 0.0}
    return Scaling(current, found, conflict, signals=signals)


def cache_state(snapshot: Snapshot) -> CacheState | Reason | None:
    """Return what the read API's selftests say of the cache: the operator itself has no way into Redis."""
    tests = snapshot.selftests.get("read-api", ())
    for test in tests:
        if "cache_keys" in test.data:
            keys, uptime = int(test.data["cache_keys"]), test.data.get("cache_uptime_seconds", 0.0)
            return CacheState(keys, uptime, int(test.data.get("cache_used_bytes", 0)))
    return Reason("CacheUnseen", "no read API says anything about the cache") if tests else None


def _brake(stack: Stack, database: DatabasePlan) -> str | None:
    """Say what keeps the readers' count where it is: lag, or an operation of the database under way.

    A drain is none: the load may come back while it lasts, and then the reader stays.
    """
    limit = seconds(stack.spec.autoscaling.read_replicas.lag_brake)
    for reader, lag in database.lags.items():
        if lag > limit:
            return f"{reader} lags by {lag:.0f} s (brake at {limit:g} s)"
    if database.journal is not None and database.journal["operation"] != Operation.DRAIN_READER:
        return f"the database is busy with {database.journal['operation']} of {database.journal['instance']}"
    return None if database.primary_ready else "the database has no primary"


def replicas_of(snapshot: Snapshot, workload: Child) -> int | None:
    """Return the count that a workload has now; None while it is not there."""
    live = snapshot.live.get(workload)
    return None if live is None else int(live["spec"].get("replicas", 1))
