"""The worker with a mail that goes nowhere: `python -m benchmarks.services.empty_worker <seconds> <at once>
[<rate> <core>]`.

All but that is the worker's: each task is decoded and validated, shown as running, has its inbox row and its own row
written, and is acknowledged after the commit. It does what is in the queue, or what is published at a rate on that core
meanwhile, and prints its figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Awaitable
from datetime import datetime
from typing import cast

import uvloop
from benchmarks.services.bare import Timed
from benchmarks.services.bare_consumer import EMPTY_SECONDS
from benchmarks.services.pace import Outcomes, Pace
from benchmarks.services.paced_publisher import DUE

from hcs_services.cache import EntityCache
from hcs_services.database.connection import Connection
from hcs_services.database.members import PrimaryPool
from hcs_services.observability import configure_logging
from hcs_services.queue import Consumer, Delivery, Publisher
from hcs_services.queue.session import broker_of
from hcs_services.queue.topology import DEFAULT
from hcs_services.server import tune_collector
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


class _Most:
    """As many as it can, for so many seconds from the first on; a latency is from a task's start to its end."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._timed = seconds, Timed()
        self.figures: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def offer(self) -> None:
        """They are in the queue already."""

    async def count(self, _delivery: Delivery, work: Awaitable[None]) -> None:
        """Do one."""
        if not self._timed.latencies and not self.figures.done():
            self._timed.begin()
        began = time.monotonic()
        await work
        self._timed.latencies.append(time.monotonic() - began)
        if time.monotonic() > self._timed.began + self._seconds and not self.figures.done():
            self.figures.set_result(self._timed.figures())


class _AtRate:
    """Those of a publisher that keeps a rate; a latency is from the moment of a task to its end."""

    def __init__(self, pace: Pace, core: int) -> None:
        self._pace, self._core, self._outcomes = pace, core, Outcomes()
        self._done = asyncio.Event()
        self.figures = asyncio.ensure_future(self._all_done())

    async def offer(self) -> None:
        """Have them published, by a process of its own."""
        words = ["--cpu-list", str(self._core), "python", "-m", "benchmarks.services.paced_publisher"]
        arguments = str(self._pace.seconds), str(self._pace.per_second)
        self._publisher = await asyncio.create_subprocess_exec("taskset", *words, *arguments, stdout=PIPE)

    async def count(self, delivery: Delivery, work: Awaitable[None]) -> None:
        """Do one."""
        due = delivery.headers[DUE] / 1e9
        if not len(self._outcomes):
            self._pace.began, self._used = due, time.process_time()
        await work
        self._outcomes.add(due)
        if len(self._outcomes) == self._pace.count:
            self._busy = (time.process_time() - self._used) / self._pace.seconds
            self._done.set()

    async def _all_done(self) -> str:
        await self._done.wait()
        printed, _ = await self._publisher.communicate()
        return self._outcomes.figures(self._pace, json.loads(printed), self._busy)


async def _run(seconds: float, at_once: int, per_second: float | None, core: int) -> str:
    settings = Settings(tier="worker")
    configure_logging(settings.log_level, stack=settings.stack, tier=settings.tier)
    pool, cache, broker = PrimaryPool.of(settings, "hcs_app"), EntityCache.open(settings), broker_of(settings)
    publisher = Publisher(broker, "bench-worker-publish")
    ports = Ports(pool, cast("OrderReads", None), None, None, None)  # an empty task reads no orders
    runner = Runner(_registry(), ports, cache, publisher.publish)
    tally = _AtRate(Pace(seconds, per_second), core) if per_second else _Most(seconds)

    await pool.refresh()
    intake = Intake(lambda delivery: tally.count(delivery, runner.run(delivery)), at_once)
    consumer = Consumer(broker, "bench-worker", [DEFAULT], at_once, intake.take)
    tune_collector()
    parts = (pool.watch(), publisher.run(), intake.supervise(), consumer.run())
    running = [asyncio.create_task(part) for part in parts]
    await tally.offer()
    figures = await asyncio.wait_for(tally.figures, seconds + EMPTY_SECONDS)
    await consumer.pause()
    intake.give_back()
    await intake.idle(30)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await asyncio.gather(pool.close(), cache.close())
    return figures


if __name__ == "__main__":
    at_rate = (float(sys.argv[3]), int(sys.argv[4])) if len(sys.argv) > 3 else (None, 0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as looped:
        print(looped.run(_run(float(sys.argv[1]), int(sys.argv[2]), *at_rate)))
