"""The worker with a mail that goes nowhere: `python -m benchmarks.services.empty_worker <seconds> <at once>`.

All but that is the worker's: each task is decoded and validated, shown as running, has its inbox row and its own row
written, and is acknowledged after the commit. Prints its figures as JSON; a latency is from a task's start to its end.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import datetime
from typing import cast

import uvloop
from benchmarks.services.bare import Timed
from benchmarks.services.bare_consumer import EMPTY_SECONDS

from hcs_services.cache import EntityCache
from hcs_services.database.connection import Connection
from hcs_services.database.members import PrimaryPool
from hcs_services.observability import configure_logging
from hcs_services.queue import Consumer, Delivery, Publisher
from hcs_services.queue.session import broker_of
from hcs_services.queue.topology import DEFAULT
from hcs_services.settings import Settings
from hcs_services.worker import handlers
from hcs_services.worker.intake import Intake
from hcs_services.worker.ports import OrderReads, Ports
from hcs_services.worker.registry import HANDLERS, Registry
from hcs_services.worker.runner import Runner
from hcs_services.worker.task import Done, Effect, Task

assert handlers


async def _nothing(_task: Task, _payload: object, _ports: Ports) -> Effect:
    async def effect(_tx: Connection, _now: datetime) -> Done:
        return Done()

    return effect


def _registry() -> Registry:
    mail = HANDLERS.get("send_email")
    assert mail
    registry = Registry()
    registry.handles(mail.task_type, payload=mail.payload, seconds=mail.seconds)(_nothing)
    return registry


async def _run(seconds: float, at_once: int) -> str:
    settings = Settings(tier="worker")
    configure_logging("warning", stack=settings.stack, tier="worker")
    pool, cache, broker = PrimaryPool.of(settings, "hcs_app"), EntityCache.open(settings), broker_of(settings)
    publisher = Publisher(broker, "bench-worker-publish")
    ports = Ports(pool, cast("OrderReads", None), None, None, None)  # an empty task reads no orders
    runner = Runner(_registry(), ports, cache, publisher.publish)
    timed, done = Timed(), asyncio.get_running_loop().create_future()

    async def run(delivery: Delivery) -> None:
        if not timed.latencies and not done.done():
            timed.begin()
        began = time.monotonic()
        await runner.run(delivery)
        timed.latencies.append(time.monotonic() - began)
        if time.monotonic() > timed.began + seconds and not done.done():
            done.set_result(timed.figures())

    await pool.refresh()
    intake = Intake(run, at_once)
    consumer = Consumer(broker, "bench-worker", [DEFAULT], at_once, intake.take)
    parts = (pool.watch(), publisher.run(), intake.supervise(), consumer.run())
    running = [asyncio.create_task(part) for part in parts]
    figures: str = await asyncio.wait_for(done, seconds + EMPTY_SECONDS)
    await consumer.pause()
    intake.give_back()
    await intake.idle(30)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await asyncio.gather(pool.close(), cache.close())
    return figures


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as looped:
        print(looped.run(_run(float(sys.argv[1]), int(sys.argv[2]))))
