"""Ports to the engines and services of a stack. Tests play them; `queue_http.py`, `service_http.py` and `database.py`
do it.

No port raises for what can happen on a bad day: a peer that does not answer is a `Reason`, an absent entry, or a
failed selftest.
"""

from typing import Protocol

from hcs_operator.api.observed import CacheCounters, Inflight, QueueFigures, Reason, Selftest


class QueuePort(Protocol):
    """RabbitMQ's management API of one stack, at any of its nodes."""

    async def figures(self, host: str, password: str) -> QueueFigures | Reason:
        """Return the counters of the class queues."""


class ServicePort(Protocol):
    """The admin port (9090) of a service pod, by pod name and address."""

    async def selftest(self, pod: str, ip: str) -> Selftest:
        """Ask the pod whether its work gets done right now; no answer is an answer with ok=False."""

    async def inflight(self, pod: str, ip: str) -> Inflight | None:
        """Ask a worker what it is working on; None when it does not answer."""

    async def drain(self, ip: str, token: str, ttl_seconds: int) -> bool:
        """Ask a worker to take nothing new for that long; True when it agreed."""

    async def cache_counters(self, pod: str, ip: str) -> CacheCounters | None:
        """Read a read API pod's counters of users' reads; None when it does not answer."""
