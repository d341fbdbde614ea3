"""Tasks that wait in a queue for whoever is measured next: filled before its turn, emptied after it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from benchmarks.services.measurement import Sample

from hcs_services.queue import Broker, Publisher, TaskMessage, connect, declare
from hcs_services.queue.topology import DEFAULT

_PAYLOAD = {"user_id": "ada", "to": "ada@customers.example", "subject": "Your parcel", "body": "It left."}
_AT_ONCE = 256  # without a confirm


def task() -> bytes:
    """A new one, as a message's body."""
    return TaskMessage(uuid.uuid4().hex, "send_email", _PAYLOAD, datetime.now(UTC)).encode()


def over_queued(drive: Callable[[float], Sample], broker: Broker, per_second: float) -> Callable[[float], Sample]:
    """`drive` with as many tasks in the queue as it can take in its seconds, at most `per_second`."""

    def driven(seconds: float) -> Sample:
        asyncio.run(_fill(broker, math.ceil(seconds * per_second)))
        try:
            return drive(seconds)
        finally:
            asyncio.run(_empty(broker))

    return driven


async def _fill(broker: Broker, count: int) -> None:
    session = await connect(broker, "bench-declare")
    await declare(session)
    await session.close()
    publisher = Publisher(broker, "bench-fill")
    publishing, room = asyncio.create_task(publisher.run()), asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        async with room:
            await publisher.publish(DEFAULT, task(), {}, 60)

    try:
        await asyncio.gather(*(one() for _ in range(count)))
    finally:
        publishing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await publishing


async def _empty(broker: Broker) -> None:
    session = await connect(broker, "bench-empty")
    await session.call(session.channel.queue_purge, DEFAULT)
    await session.close()
