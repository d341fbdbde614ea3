"""`python -m benchmarks.soak`: loads a stack for SOAK_SECONDS inside the `test` image, and watches its processes.

Writes record.json into SOAK_RESULTS.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random

from benchmarks.services import products
from benchmarks.services.engines import Beside, beside
from benchmarks.soak import stack
from benchmarks.soak.calls import Mix
from benchmarks.soak.load import Client, Tally
from benchmarks.soak.record import SECONDS, Course, Record, Sample
from tests.engine.worker.task_stack import Process

EVERY = 5.0
"""Seconds between two samples."""
PRODUCTS = 20_000
"""Twice what a process of the read API keeps itself, so that it is full before anything counts."""
RATES = {"reads": 200.0, "orders": 20.0, "tasks": 10.0, "refused": 10.0}
"""Calls a second: what two cores do beside the engines, and what one worker keeps up with."""
TOLERATED = 0.001
"""The share of calls with another answer than the due one, from which on this was no steady load."""


def main() -> int:
    """Loads and watches; an exit code."""
    seconds = float(os.environ.get("SOAK_SECONDS") or SECONDS)
    folder = Path(os.environ["SOAK_RESULTS"])
    with beside() as engines:
        _prepare(engines)
        with stack.running(lambda tier: {"HCS_TIER": tier, **engines.environment}, engines.folder) as tiers:
            courses, tally = asyncio.run(_soak(tiers, seconds))
    print(f"answered as due: {dict(tally.answered)}, otherwise: {dict(tally.others)}", flush=True)
    if tally.others.total() > TOLERATED * tally.answered.total():
        print("error: too many calls had another answer than the one that was due", file=sys.stderr)
        return 1
    conditions = {"load before": os.environ["SOAK_LOAD"], "python": sys.version.split()[0]}
    record = Record(courses, dict(tally.answered), tally.others.total(), conditions)
    (folder / "record.json").write_text(record.to_json())
    return 0


def _prepare(engines: Beside) -> None:
    for first in range(0, PRODUCTS, 1000):
        engines.add_products([tuple(products.row(number).values()) for number in range(first, first + 1000)])
    engines.start_reader()


async def _soak(tiers: Mapping[str, Process], seconds: float) -> tuple[tuple[Course, ...], Tally]:
    tally = Tally()
    mix = Mix([products.product_id(number) for number in range(PRODUCTS)], Random(1))
    async with Client(tiers["gateway"].url(), mix, tally) as client:
        load = asyncio.create_task(client.run(RATES, seconds))
        courses = await _watched(tiers, load)
        await load
    return courses, tally


async def _watched(tiers: Mapping[str, Process], load: asyncio.Task[None]) -> tuple[Course, ...]:
    """A sample of each process now and then, until the load is over."""
    began = time.monotonic()
    samples: dict[str, list[Sample]] = {tier: [] for tier in tiers}
    while not load.done():
        for tier, process in tiers.items():
            pid = process.popen.pid
            at, memory = round(time.monotonic() - began, 1), round(stack.memory(pid), 3)
            samples[tier].append(Sample(at, memory, stack.descriptors(pid)))
        await asyncio.wait([load], timeout=EVERY)
    return tuple(Course(tier, tuple(seen)) for tier, seen in samples.items())


if __name__ == "__main__":
    sys.exit(main())
