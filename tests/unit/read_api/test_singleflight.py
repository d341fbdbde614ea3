"""One load for many."""

from __future__ import annotations

import asyncio

import pytest

from hcs_services.read_api.singleflight import Singleflight

pytestmark = pytest.mark.unit


class Load:
    def __init__(self, error: Exception | None = None) -> None:
        self.times, self.error = 0, error
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.times += 1
        await self.go.wait()
        if self.error:
            raise self.error
        return self.times


async def test_those_who_ask_meanwhile_share_one_load() -> None:
    flights, load = Singleflight[int](1.0), Load()
    waiting = [asyncio.create_task(flights.run("k", load)) for _ in range(10)]
    await asyncio.sleep(0)
    load.go.set()
    assert await asyncio.gather(*waiting) == [1] * 10


async def test_whoever_comes_later_gets_a_load_of_its_own() -> None:
    flights, load = Singleflight[int](1.0), Load()
    load.go.set()
    assert (await flights.run("k", load), await flights.run("k", load)) == (1, 2)


async def test_a_caller_who_gives_up_takes_nobody_down() -> None:
    flights, load = Singleflight[int](1.0), Load()
    first, second = (asyncio.create_task(flights.run("k", load)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    load.go.set()
    assert await second == 1


async def test_a_failure_is_everybodys() -> None:
    flights, load = Singleflight[int](1.0), Load(ValueError("no"))
    load.go.set()
    outcomes = await asyncio.gather(*(flights.run("k", load) for _ in range(3)), return_exceptions=True)
    assert (load.times, sum(isinstance(outcome, ValueError) for outcome in outcomes)) == (1, 3)
