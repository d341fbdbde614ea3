"""Prometheus metrics of the operator: the queue, the looks, and what autoscaling saw and decided."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hcs_operator.api.observed import QueueFigures, Scaling, Snapshot
from hcs_operator.decide.autoscaling.readers import ReaderState
from hcs_operator.decide.autoscaling.workers import WorkerState

STACK = ("namespace", "stack")
TIER = (*STACK, "tier")


class Metrics:
    """All metrics in one registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.looks = Histogram(
            "hcs_operator_look_seconds",
            "One look at one stack: done, namespace-gone, failed (the API server) or broke (a defect).",
            ("result",),
            registry=self.registry,
        )
        self.leading = Gauge("hcs_operator_leading", "1 while this process holds the lease.", registry=self.registry)
        self.current = Gauge("hcs_autoscaler_current_replicas", "Replicas now.", TIER, registry=self.registry)
        self.recommended = Gauge(
            "hcs_autoscaler_recommended_replicas", "What the law wants.", TIER, registry=self.registry
        )
        self.decisions = Counter(
            "hcs_autoscaler_decisions_total", "Counts written.", ("tier", "reason"), registry=self.registry
        )
        self.ready = Gauge("hcs_autoscaler_queue_ready", "Messages waiting.", STACK, registry=self.registry)
        self.unacked = Gauge("hcs_autoscaler_queue_unacked", "Messages being worked on.", STACK, registry=self.registry)
        self.arrivals = Gauge("hcs_autoscaler_arrival_rate", "Messages/s published.", STACK, registry=self.registry)
        self.rate = Gauge(
            "hcs_autoscaler_service_rate_per_replica", "Messages/s one worker finishes.", STACK, registry=self.registry
        )
        self.misses = Gauge("hcs_autoscaler_db_miss_qps", "Reads/s that miss the cache.", STACK, registry=self.registry)
        self.hit_ratio = Gauge(
            "hcs_autoscaler_cache_hit_ratio", "Share of reads the cache answers.", STACK, registry=self.registry
        )

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
        for tier, scaling in tiers.items():
            self.current.labels(*where, tier).set(scaling.current)
            if scaling.recommendation is None:
                continue
            self.recommended.labels(*where, tier).set(scaling.recommendation.desired)
            match scaling.recommendation.state:
                case WorkerState() as state:
                    self.arrivals.labels(*where).set(state.arrivals)
                    self.rate.labels(*where).set(state.rate or 0.0)
                case ReaderState() as state:
                    self.misses.labels(*where).set(state.misses)
                    self.hit_ratio.labels(*where).set(state.hit_ratio or 0.0)

    def wrote(self, counts: Iterable[tuple[str, str]]) -> None:
        """Count what a look wrote: tier and reason of each."""
        for tier, reason in counts:
            self.decisions.labels(tier, reason).inc()

    def forget(self, namespace: str, stack: str) -> None:
        """Drop the series of a stack that is gone."""
        for gauge in (self.ready, self.unacked, self.arrivals, self.rate, self.misses, self.hit_ratio):
            gauge.remove_by_labels({"namespace": namespace, "stack": stack})
        for gauge in (self.current, self.recommended):
            gauge.remove_by_labels({"namespace": namespace, "stack": stack})


class _QueueCollector(Collector):
    def __init__(self, depth: Callable[[], float], oldest: Callable[[], float], retries: Callable[[], float]) -> None:
        self._depth, self._oldest, self._retries = depth, oldest, retries

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("hcs_operator_queue_depth", "Stacks due for a look.", self._depth())
        yield GaugeMetricFamily("hcs_operator_queue_oldest_seconds", "Age of the oldest item.", self._oldest())
        yield CounterMetricFamily("hcs_operator_retries", "Looks that failed and were repeated.", self._retries())
