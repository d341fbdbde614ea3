"""The write API's desk without HTTP: `python -m benchmarks.services.desk_orders <seconds> <in flight> <product>`.

As many orders of one product at a time, each with its key, its user's list, its promises in the outbox and its entry in
the cache; the figures are printed as JSON. A write API beside it relays what is in the outbox.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop
from benchmarks.services.bare import Timed

from hcs_services.cache import EntityCache
from hcs_services.database.members import PrimaryPool
from hcs_services.models import NewOrder
from hcs_services.observability import configure_logging
from hcs_services.server import tune_collector
from hcs_services.settings import Settings
from hcs_services.write_api.group_commit import OrderDesk
from hcs_services.write_api.service import WriteService
from hcs_services.write_api.unit import UnitOfWork, own_key


async def _loop(desk: OrderDesk, user: str, product: str, seconds: float, timed: Timed) -> None:
    order = NewOrder(user_id=user, product_id=product, quantity=1, total_amount=None)
    while (began := time.monotonic()) < timed.began + seconds:
        answer = await desk.place(own_key("POST /orders", user), order)
        assert answer.status == 201
        timed.latencies.append(time.monotonic() - began)


async def _run(seconds: float, in_flight: int, product: str) -> str:
    settings = Settings(tier="write-api")
    configure_logging(settings.log_level, stack=settings.stack, tier=settings.tier)
    pool, cache = PrimaryPool.of(settings, "hcs_app"), EntityCache.open(settings)

    def token_key() -> bytes:
        return settings.signing_key("consistency")

    unit = UnitOfWork(pool, cache, shard=settings.shard, token_key=token_key, committed=lambda: None)
    service = WriteService(task_key=lambda: settings.signing_key("task"), confirmation_mails=True)
    desk = OrderDesk(pool, unit, service, settings)
    await pool.refresh()
    tune_collector()
    watch = asyncio.create_task(pool.watch())
    timed = Timed()
    await asyncio.gather(*(_loop(desk, f"user-{number}", product, seconds, timed) for number in range(in_flight)))
    printed = timed.figures()
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    await pool.close()
    await cache.close()
    return printed


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(_run(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
