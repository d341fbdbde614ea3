"""Asks the engines and services behind one stack, all at once, each with its own short time-out.

Bursts of Kubernetes events do not multiply these questions: the triggers coalesce them, and a stack has one look at a
time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hcs_operator.api.observed import CacheCounters, Inflight, PodView, QueueFigures, Reason, Selftest
from hcs_operator.observe.ports import QueuePort, ServicePort

SELFTESTED = ("write-api", "async-api", "read-api")

T = TypeVar("T")


@dataclass(frozen=True)
class Figures:
    """What engines and services said."""

    queue: QueueFigures | Reason | None = None
    selftests: Mapping[str, tuple[Selftest, ...]] = field(default_factory=dict)
    reads: tuple[CacheCounters, ...] = ()
    inflight: Mapping[str, Inflight] = field(default_factory=dict)


async def ask(
    pods: Sequence[PodView], queue: QueuePort, services: ServicePort, *, queue_host: str, queue_password: str | None
) -> Figures:
    """Return the figures of one stack. Pods that are not ready are not asked, but for what a worker works on."""
    running = [pod for pod in pods if pod.ip and not pod.deleting]
    ready = [pod for pod in running if pod.ready]
    brokers = [f"{pod.name}.{queue_host}" for pod in _of(ready, "queue")] if queue_password is not None else []
    asked = {component: _of(ready, component) for component in SELFTESTED}
    figures, tests, reads, inflight = await asyncio.gather(
        _of_most(queue, brokers, queue_password or ""),
        asyncio.gather(*(_each(asked[component], services.selftest) for component in SELFTESTED)),
        _each(asked["read-api"], services.cache_counters),
        _each(_of(running, "worker"), services.inflight),
    )
    return Figures(
        queue=figures,
        selftests=dict(zip(SELFTESTED, (tuple(entries) for entries in tests), strict=True)),
        reads=tuple(entry for entry in reads if entry is not None),
        inflight={entry.pod: entry for entry in inflight if entry is not None},
    )


def _of(pods: Sequence[PodView], component: str) -> list[PodView]:
    return [pod for pod in pods if pod.component == component]


async def _each(pods: Sequence[PodView], question: Callable[[str, str], Awaitable[T]]) -> list[T]:
    return await asyncio.gather(*(question(pod.name, pod.ip) for pod in pods))


async def _of_most(queue: QueuePort, hosts: Sequence[str], password: str) -> QueueFigures | Reason | None:
    """Return the figures of the broker that sees most of the others: one that is cut off sees but itself."""
    answers = await asyncio.gather(*(queue.figures(host, password) for host in hosts))
    figures = [answer for answer in answers if isinstance(answer, QueueFigures)]
    return max(figures, key=lambda found: found.online, default=next(iter(answers), None))
