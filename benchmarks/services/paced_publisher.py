"""Tasks at a fixed rate: `python -m benchmarks.services.paced_publisher <seconds> <per second>`.

Publishes persistent messages to the tasks' queue, each with its moment in a header, and prints how late it noticed each
of the moments, in seconds, as JSON. No confirms: what is lost is missed by whoever counts the tasks.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from typing import Any

import pika
import uvloop
from benchmarks.services.bare_publisher import opened
from benchmarks.services.pace import Pace, first_on_its_core
from benchmarks.services.queued_tasks import task

from hcs_services.queue.topology import DEFAULT

DUE = "bench-due"
"""The header with a task's moment in nanoseconds, of the monotonic clock, which the machine's processes share."""


async def _run(pace: Pace) -> str:
    channel = await opened()
    messages = iter([task() for _ in range(pace.count)])
    gc.disable()
    first_on_its_core()
    pace.begin()
    while pace.more:
        await asyncio.sleep(pace.wait())
        for due in pace.due():
            channel.basic_publish("", DEFAULT, next(messages), _properties(due))
    await asyncio.sleep(1)  # the last ones leave
    return json.dumps(pace.late)


def _properties(due: float) -> Any:
    return pika.BasicProperties(content_type="application/json", delivery_mode=2, headers={DUE: int(due * 1e9)})


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(_run(Pace(float(sys.argv[1]), float(sys.argv[2])))))
