"""Prometheus metrics of the operator: its queue and looks, and what autoscaling saw and decided."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hcs_operator.act.events import Move
from hcs_operator.api.observed import QueueFigures, Scaling, Snapshot
from hcs_operator.decide.autoscaling.readers import ReaderState
from hcs_operator.decide.autoscaling.workers import WorkerState

STACK = ("namespace", "stack")
TIER = (*STACK, "tier")

Kind = TypeVar("Kind", Counter, Gauge, Histogram)


class Metrics:
    """All metrics in one registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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

    def _of(self, kind: Callable[..., Kind], name: str, meaning: str, labels: Sequence[str] = ()) -> Kind:
        return kind(name, meaning, labels, registry=self.registry)

    def watch_queue(
        self, depth: Callable[[], float], oldest: Callable[[], float], retries: Callable[[], float]
    ) -> None:
        """Show the queue's own figures whenever the metrics are read."""
        self.registry.register(_QueueCollector(depth, oldest, retries))

    def saw(self, snapshot: Snapshot, tiers: Mapping[str, Scaling]) -> None:
        """Show what a look saw of the load and what the laws made of it."""
        where = (snapshot.namespace, snapshot.stack)
        if isinstance(snapshot.queue, QueueFigures):
            self.ready.labels(*where).set(snapshot.queue.ready)
            self.unacked.labels(*where).set(snapshot.queue.unacked)
            self.dead.labels(*where).set(snapshot.queue.dead)
        for tier, scaling in tiers.items():
            self.current.labels(*where, tier).set(scaling.current)
            if scaling.recommendation is None:
                continue
            self.recommended.labels(*where, tier).set(scaling.recommendation.desired)
            match scaling.recommendation.state:
                case WorkerState() as state:
                    self.arrivals.labels(*where).set(state.arrivals)
                    _set(self.rate, where, state.rate)
                case ReaderState() as state:
                    self.misses.labels(*where).set(state.misses)
                    _set(self.hit_ratio, where, state.hit_ratio)

    def wrote(self, namespace: str, stack: str, moves: Iterable[Move]) -> None:
        """Count the replica counts that a look wrote."""
        for move in moves:
            direction = "out" if move.after > move.before else "in"
            self.decisions.labels(namespace, stack, move.tier, direction, move.reason.word).inc()

    def forget(self, namespace: str, stack: str) -> None:
        """Drop the series of a stack that is gone."""
        gauges = (self.ready, self.unacked, self.dead, self.arrivals, self.rate, self.misses, self.hit_ratio)
        for metric in (*gauges, self.current, self.recommended, self.decisions):
            metric.remove_by_labels({"namespace": namespace, "stack": stack})


def _set(gauge: Gauge, where: tuple[str, str], value: float | None) -> None:
    """Show what is known; what is not yet known is not nought."""
    if value is not None:
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
