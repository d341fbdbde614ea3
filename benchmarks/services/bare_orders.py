"""Bare asyncmy transactions: `python -m benchmarks.services.bare_orders <seconds> <in flight> <product>`.

Each order of the product is a transaction of its own, over as many connections as the write API has; the figures are
printed as JSON. No HTTP, no key, no list, no outbox, no cache.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop
from benchmarks.services.bare import Timed
from benchmarks.services.bare_login import connection_of
from benchmarks.services.plain_orders import CONNECTIONS, INSERT, PRICE, TAKE, NewOrder, row


async def _loop(product: str, seconds: float, timed: Timed) -> None:
    order = NewOrder(user_id="user-1", product_id=product, quantity=1)
    async with connection_of("hcs_app", autocommit=False) as connection, connection.cursor() as cursor:
        while (began := time.monotonic()) < timed.began + seconds:
            await cursor.execute(PRICE, (product,))
            (price,) = await cursor.fetchone()
            assert await cursor.execute(TAKE, (1, product, 1))
            await cursor.execute(INSERT, row(order, price))
            await connection.commit()
            timed.latencies.append(time.monotonic() - began)


async def _run(seconds: float, in_flight: int, product: str) -> str:
    timed = Timed()
    await asyncio.gather(*(_loop(product, seconds, timed) for _ in range(min(in_flight, CONNECTIONS))))
    return timed.figures()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(_run(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
