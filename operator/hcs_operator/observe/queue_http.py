"""`QueuePort` over RabbitMQ's management API (port 15672)."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from hcs_operator.api.observed import QueueFigures, Reason

CLASS_QUEUES = frozenset({"hcs.critical", "hcs.default", "hcs.bulk"})
DEAD = "hcs.dead"
USER = "hcs"
TIMEOUT = aiohttp.ClientTimeout(total=2, connect=1)
"""Seconds; a broker that is slower than this counts as not answering for one look."""


class ManagementApi:
    """Reads the class queues' counters; `clock` is Unix seconds."""

    def __init__(self, session: aiohttp.ClientSession, clock: Callable[[], float] = time.time) -> None:
        self._session = session
        self._clock = clock

    async def figures(self, host: str, password: str) -> QueueFigures | Reason:
        """Return the counters of the three class queues added up, and how many dead letters there are."""
        url = f"http://{host}:15672/api/queues/%2F"
        auth = aiohttp.BasicAuth(USER, password)
        try:
            async with self._session.get(url, auth=auth, timeout=TIMEOUT) as answer:
                if answer.status != 200:
                    return Reason("QueueRefuses", f"the broker's management API answers {answer.status}")
                queues = await answer.json()
        except (TimeoutError, aiohttp.ClientError, OSError) as failure:
            return Reason("QueueUnreachable", f"the broker's management API does not answer ({type(failure).__name__})")
        return figures_of(queues, self._clock())


def figures_of(queues: Sequence[dict[str, Any]], at: float) -> QueueFigures | Reason:
    """Return the figures of what `GET /api/queues/<vhost>` has answered at `at`, in Unix seconds.

    Messages are those of the class queues, with dead letters apart; accepted tasks wait in others, too, so each must be
    held by its members.
    """
    found = [queue for queue in queues if queue.get("name") in CLASS_QUEUES]
    if len(found) < len(CLASS_QUEUES):
        return Reason("QueuesMissing", "the broker does not have its queues yet; the services declare them")
    replicated = [queue for queue in queues if queue.get("type") == "quorum"]
    weakest = min(replicated or found, key=lambda queue: len(queue.get("online") or ()))
    return QueueFigures(
        ready=_sum(found, "messages_ready"),
        unacked=_sum(found, "messages_unacknowledged"),
        published=sum(_sum([queue.get("message_stats") or {}], "publish") for queue in found),
        acked=sum(_sum([queue.get("message_stats") or {}], "ack") for queue in found),
        at=at,
        dead=_sum(
            [queue for queue in queues if queue.get("name") == DEAD], "messages_ready", "messages_unacknowledged"
        ),
        members=len(weakest.get("members") or ()),
        online=len(weakest.get("online") or ()),
    )


def _sum(entries: list[dict[str, Any]], *names: str) -> int:
    return sum(int(entry.get(name) or 0) for entry in entries for name in names)
