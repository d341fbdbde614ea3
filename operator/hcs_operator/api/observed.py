"""What one look at a stack has seen: plain frozen values that `decide` and `status` judge and nobody else changes.

They stand in `api` because both sides of the pure core need them: `observe` fills them in, `decide` and `status` read
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Document = Mapping[str, Any]
"""A Kubernetes object as the API server sends it, without managedFields."""


class Reason(NamedTuple):
    """Why something is as it is: one CamelCase word for machines, one sentence for people that says what to do."""

    word: str
    message: str


class Child(NamedTuple):
    """Names one object of a stack inside the stack's own namespace."""

    kind: str
    name: str


@dataclass(frozen=True)
class PodView:
    """One pod of a stack, reduced to what decisions need."""

    name: str
    uid: str
    component: str
    ip: str
    """Empty while none of its containers runs."""
    node: str
    ready: bool
    deleting: bool
    created_at: float
    """Unix seconds."""
    ready_at: float | None
    """Unix seconds of the last change to Ready=True; None while it is not ready."""
    image: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    problem: Reason | None
    """Why it does not run (image pull, crash loop, unschedulable ...), in the kubelet's or scheduler's words."""
    secrets: frozenset[str] = frozenset()
    """Names of the Secrets that it mounts; none any more once it has ended."""


@dataclass(frozen=True)
class QueueFigures:
    """Counters of the three class queues added up, read from the broker at `at` (Unix seconds)."""

    ready: int
    unacked: int
    published: int
    acked: int
    at: float
    members: int = 1
    """Brokers that are to hold the queue which the fewest of them hold."""
    online: int = 1
    """Those of its members that are up; it takes and gives messages while they are the majority."""
    dead: int = 0
    """Messages in the dead-letter queue, which has no bound."""


@dataclass(frozen=True)
class Selftest:
    """One service pod's answer to `GET :9090/selftest`; `ok` False with a reason also stands for no answer at all."""

    pod: str
    ok: bool
    reason: Reason
    data: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CacheCounters:
    """One read API pod's own counters of users' reads; they fall to zero when the pod restarts."""

    pod: str
    hits: int
    misses: int
    at: float


@dataclass(frozen=True)
class CacheState:
    """What the cache says of itself: `keys` may collapse (flush), `uptime_seconds` falls back at a restart."""

    keys: int
    uptime_seconds: float
    used_bytes: int


@dataclass(frozen=True)
class Inflight:
    """One worker's answer to `GET :9090/inflight`; a worker that does not answer counts as busy and is absent here."""

    pod: str
    tasks: int
    oldest_seconds: float
    draining: bool


@dataclass(frozen=True)
class Snapshot:
    """Everything one look at a stack has gathered. Missing figures are None or absent, never invented."""

    namespace: str
    stack: str
    now: float
    """Unix seconds, the only clock the pure core knows."""
    live: Mapping[Child, Document]
    """Every object that carries the stack's label and is owned by it, pods not included."""
    earlier: frozenset[Child] = frozenset()
    """Objects of a deleted stack of the same name, which the garbage collector has yet to take: they are waited out."""
    pods: tuple[PodView, ...] = ()
    unmade: Mapping[Child, Reason] = field(default_factory=dict)
    """StatefulSets and Jobs whose pods are not made, and why (quota, admission), in the words of their last event."""
    claims: Mapping[str, Document] = field(default_factory=dict)
    """Volume claims that carry the stack's label, by name; no owner is asked for, as they outlive their stack."""
    exports: tuple[Document, ...] = ()
    """ConfigMaps with transactions that one instance had of its own, without their data; they have no owner either."""
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Decoded text of the stack's Secrets: name -> key -> value. Never logged, never put in status."""
    selftests: Mapping[str, tuple[Selftest, ...]] = field(default_factory=dict)
    """By component: write-api, async-api, read-api."""
    queue: QueueFigures | Reason | None = None
    """The broker's figures; a Reason when it did not answer; None when there is no queue yet."""
    cache: CacheState | Reason | None = None
    reads: tuple[CacheCounters, ...] = ()
    inflight: Mapping[str, Inflight] = field(default_factory=dict)
    """By pod name."""
    outside_scalers: Mapping[Child, str] = field(default_factory=dict)
    """Workloads of the stack that a scaler of somebody else targets, and its name (`HorizontalPodAutoscaler x`)."""

    def of(self, component: str) -> tuple[PodView, ...]:
        """Return the pods of one component that are not on their way out."""
        return tuple(pod for pod in self.pods if pod.component == component and not pod.deleting)

    def ready(self, component: str) -> tuple[PodView, ...]:
        """Return the ready pods of one component."""
        return tuple(pod for pod in self.of(component) if pod.ready)


@dataclass(frozen=True)
class Recommendation:
    """What an autoscaling law wants: a count, why in words with its numbers, what held it back, and its memory."""

    desired: int
    reason: Reason
    limited_by: str | None
    state: Any
    """The law's own state, handed back to it at the next look; lost (and rebuilt) when the operator restarts."""


@dataclass(frozen=True)
class Scaling:
    """One scaled tier as status shows it."""

    current: int
    recommendation: Recommendation | None
    conflict: str | None = None
    """The outside scaler that owns the count, if there is one."""
    last_scale_at: float | None = None
    signals: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Gate:
    """How far the start has come: tiers allowed to exist, and for each tier that must wait what it waits for."""

    open: frozenset[str]
    waiting: Mapping[str, Reason]


@dataclass(frozen=True)
class Outlook:
    """All that `status.render` needs to write the status of a stack that could be parsed."""

    snapshot: Snapshot
    previous: Mapping[str, Any]
    """status as it is in the API server."""
    generation: int
    images: Mapping[str, str]
    """Resolved and pinned in status.images."""
    gate: Gate
    database: Any
    """decide.database.DatabasePlan, or None before the database was looked at."""
    workers: Scaling
    readers: Scaling
    paused: bool = False
    mode: str = "Auto"
    """`spec.autoscaling.mode`: Off, Recommend or Auto."""
    changing: tuple[str, ...] = ()
    """What this look changed or still has to change, in words ("Deployment shop-gateway: spec.replicas 1 -> 2")."""
    problems: tuple[Reason, ...] = ()
    """What could not be done, in words (a refused document, a foreign object, a missing Secret of the user's)."""
    held: tuple[str, ...] = ()
    """What disruption budgets hold up, in words."""
