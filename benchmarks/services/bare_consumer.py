"""A bare pika consumer on asyncio: `python -m benchmarks.services.bare_consumer <seconds> <prefetch>`.

Takes what is in the tasks' queue, acknowledges each, and prints its figures as JSON. Nothing is read and nothing done.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import uvloop
from benchmarks.services.bare import Timed
from benchmarks.services.bare_publisher import answer, opened

from hcs_services.queue.topology import DEFAULT

EMPTY_SECONDS = 30
"""After its time somebody who still waits for a delivery has found the queue empty, and measured nothing."""


async def _run(seconds: float, prefetch: int) -> str:
    channel = await opened()
    await answer(lambda agreed: channel.basic_qos(prefetch_count=prefetch, callback=agreed))
    timed, done = Timed(), asyncio.get_running_loop().create_future()

    def take(_channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
        if not timed.latencies:
            timed.begin()
        began = time.monotonic()
        if began < timed.began + seconds:
            channel.basic_ack(method.delivery_tag)
            timed.latencies.append(time.monotonic() - began)
        elif not done.done():
            done.set_result(None)

    channel.basic_consume(DEFAULT, take)
    await asyncio.wait_for(done, seconds + EMPTY_SECONDS)
    return timed.figures()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(_run(float(sys.argv[1]), int(sys.argv[2]))))
