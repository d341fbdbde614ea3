"""Prometheus metrics of the operator: its queue and looks, what autoscaling saw and decided, and what members lag."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hcs_operator.act.events import Move
from hcs_operator.api.database import DatabaseView, Role
from hcs_operator.api.observed import QueueFigures, Scaling
from hcs_operator.api.spec import Stack
from hcs_operator.decide.autoscaling.readers import ReaderState
from hcs_operator.decide.autoscaling.workers import WorkerState
from hcs_operator.decide.plan import Seen
from hcs_operator.decide.scaling import may_write

STACK = ("namespace", "stack")
TIER = (*STACK, "tier")

Kind = TypeVar("Kind", Counter, Gauge, Histogram)


class Metrics:
    """All metrics in one registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_stacks: list[Counter | Gauge | Histogram] = []
        self.looks = self._of(
            Histogram,
            "hcs_operator_look_seconds",
            "How long a look at a stack took, by whether it failed.",
            ("result",),
        )
        self.leading = self._of(Gauge, "hcs_operator_leading", "1 while this process holds the lease.")
        self.current = self._of(Gauge, "hcs_autoscaler_current_replicas", "Replicas that a tier has now.", TIER)
        self.recommended = self._of(
            Gauge, "hcs_autoscaler_recommended_replicas", "Replicas that the tier's law wants.", TIER
        )
        self.desired = self._of(
            Gauge,
            "hcs_autoscaler_desired_replicas",
            "Replicas that a tier is brought to: those its law wants, or those it has where that may not be written.",
            TIER,
        )
        self.wait = self._of(
            Gauge,
            "hcs_autoscaler_estimated_wait_seconds",
            "Until the present workers have emptied the backlog; +Inf without workers, absent while it is unseen.",
            TIER,
        )
        self.age = self._of(
            Gauge,
            "hcs_autoscaler_metric_age_seconds",
            "Age, at the last look, of the figures that the tier's law goes by; grows while none can be read.",
            TIER,
        )
        self.decisions = self._of(
            Counter,
            "hcs_autoscaler_decisions_total",
            "Counts written, by direction (out, in) and the law's reason.",
            (*TIER, "direction", "reason"),
        )
        self.ready = self._of(Gauge, "hcs_autoscaler_queue_ready", "Messages that wait in the class queues.", STACK)
        self.unacked = self._of(Gauge, "hcs_autoscaler_queue_unacked", "Messages that workers hold.", STACK)
        self.dead = self._of(
            Gauge,
            "hcs_queue_dead_letters",
            "Messages in hcs.dead, which has no bound; only a person takes them out.",
            STACK,
        )
        self.arrivals = self._of(
            Gauge, "hcs_autoscaler_arrival_rate", "Messages a second that are published, smoothed.", STACK
        )
        self.rate = self._of(
            Gauge,
            "hcs_autoscaler_service_rate_per_replica",
            "Messages a second that one busy worker finishes, smoothed; absent until it was measured.",
            STACK,
        )
        self.misses = self._of(
            Gauge, "hcs_autoscaler_db_miss_qps", "Users' reads a second that no cache answers.", STACK
        )
        self.hit_ratio = self._of(
            Gauge,
            "hcs_autoscaler_cache_hit_ratio",
            "Share of users' reads that a cache answers, 0 to 1; absent until it was measured.",
            STACK,
        )
        self.applier_queue = self._of(
            Gauge,
            "hcs_database_applier_queue",
            "Transactions that a member has received from its group and not yet applied: if it becomes the primary,"
            " statements wait for them. Absent while it does not answer.",
            (*STACK, "instance"),
        )

    def _of(self, kind: Callable[..., Kind], name: str, meaning: str, labels: Sequence[str] = ()) -> Kind:
        metric = kind(name, meaning, labels, registry=self.registry)
        if "stack" in labels:
            self._of_stacks.append(metric)
        return metric

    def watch_queue(
        self, depth: Callable[[], float], oldest: Callable[[], float], retries: Callable[[], float]
    ) -> None:
        """Show the queue's own figures whenever the metrics are read."""
        self.registry.register(_QueueCollector(depth, oldest, retries))

    def saw(self, stack: Stack, seen: Seen, tiers: Mapping[str, Scaling]) -> None:
        """Show what a look saw of the load and what the laws made of it."""
        snapshot = seen.snapshot
        where = (snapshot.namespace, snapshot.stack)
        self._saw_members(where, seen.database)
        if isinstance(snapshot.queue, QueueFigures):
            self.ready.labels(*where).set(snapshot.queue.ready)
            self.unacked.labels(*where).set(snapshot.queue.unacked)
            self.dead.labels(*where).set(snapshot.queue.dead)
        for tier, scaling in tiers.items():
            found, at = scaling.recommendation, (*where, tier)
            self.current.labels(*at).set(scaling.current)
            self.desired.labels(*at).set(found.desired if found and may_write(stack, scaling) else scaling.current)
            _set(self.recommended, at, found.desired if found else None)
            state = found.state if found else None
            _set(self.age, at, _age(state, snapshot.now))
            _set(self.wait, at, state.wait if isinstance(state, WorkerState) else None)
            match state:
                case WorkerState():
                    self.arrivals.labels(*where).set(state.arrivals)
                    _set(self.rate, where, state.rate)
                case ReaderState():
                    self.misses.labels(*where).set(state.misses)
                    _set(self.hit_ratio, where, state.hit_ratio)

    def _saw_members(self, where: tuple[str, str], database: DatabaseView) -> None:
        self.applier_queue.remove_by_labels(dict(zip(STACK, where, strict=True)))
        for member in database.of(Role.MEMBER):
            if member.facts:
                self.applier_queue.labels(*where, member.instance.name).set(member.facts.applier_queue)

    def wrote(self, namespace: str, stack: str, moves: Iterable[Move]) -> None:
        """Count the replica counts that a look wrote."""
        for move in moves:
            direction = "out" if move.after > move.before else "in"
            self.decisions.labels(namespace, stack, move.tier, direction, move.reason.word).inc()

    def forget(self, namespace: str, stack: str) -> None:
        """Drop the series of a stack that is gone."""
        for metric in self._of_stacks:
            metric.remove_by_labels({"namespace": namespace, "stack": stack})


def _age(state: WorkerState | ReaderState | None, now: float) -> float | None:
    """Figures are read after the look has begun: those of this very look are of age 0."""
    return None if state is None or state.measured_at is None else max(0.0, now - state.measured_at)


def _set(gauge: Gauge, where: tuple[str, ...], value: float | None) -> None:
    """Show what is known; what is not known, or no longer, is not nought."""
    if value is None:
        gauge.remove_by_labels(dict(zip(TIER, where, strict=False)))
    else:
        gauge.labels(*where).set(value)


class _QueueCollector(Collector):
    def __init__(self, depth: Callable[[], float], oldest: Callable[[], float], retries: Callable[[], float]) -> None:
        self._depth, self._oldest, self._retries = depth, oldest, retries

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("hcs_operator_queue_depth", "Stacks that are due for a look.", self._depth())
        yield GaugeMetricFamily(
            "hcs_operator_queue_oldest_seconds",
            "How long the oldest look has been due or under way; the process restarts at 300.",
            self._oldest(),
        )
        yield CounterMetricFamily("hcs_operator_retries", "Looks that failed and are repeated.", self._retries())
