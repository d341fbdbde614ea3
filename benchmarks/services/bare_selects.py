"""Bare asyncmy loops: `python -m benchmarks.services.bare_selects <seconds> <connections> <first> <last>`.

Each connection selects one product after another, of those numbers, and the figures are printed as JSON. No HTTP, no
cache, no second look at anything.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator

import uvloop
from benchmarks.services.bare import Timed
from benchmarks.services.bare_login import connection_of
from benchmarks.services.products import product_id

_SELECT = "SELECT product_id, name, price, stock, ver FROM products WHERE product_id = %s"


async def _loop(numbers: Iterator[int], seconds: float, timed: Timed) -> None:
    async with connection_of("hcs_read") as connection, connection.cursor() as cursor:
        while (began := time.monotonic()) < timed.began + seconds:
            await cursor.execute(_SELECT, (product_id(next(numbers)),))
            assert await cursor.fetchone()
            timed.latencies.append(time.monotonic() - began)


async def _run(seconds: float, connections: int, first: int, last: int) -> str:
    numbers, timed = itertools.cycle(range(first, last)), Timed()
    await asyncio.gather(*(_loop(numbers, seconds, timed) for _ in range(connections)))
    return timed.figures()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(_run(float(sys.argv[1]), *map(int, sys.argv[2:5]))))
