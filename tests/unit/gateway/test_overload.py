"""Three times what an upstream can do: it does what it can, the rest is refused while it is fresh. In virtual time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.unit.gateway.virtual_time import Answered, Gate, WriteApi, run

from hcs_services.gateway.breaker import State

pytestmark = pytest.mark.unit
InVirtualTime = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> InVirtualTime:
    return lambda work: run(monkeypatch, work)


class Wide(WriteApi):
    """Serves everybody at once, each for as long."""

    async def _serve(self, key: str) -> Answered:
        await asyncio.sleep(self.seconds)
        return Answered(201)


class Shedding(WriteApi):
    """Does one thing at a time, and refuses what comes meanwhile."""

    async def _serve(self, key: str) -> Answered:
        if self._turn.locked():
            return Answered(503, Retry_After="1", X_Overloaded="true")
        return await super()._serve(key)


async def hurried(gate: Gate, rate: int, seconds: int) -> list[tuple[str, float]]:
    """What writes without a key are told that are sent for so long at three times that rate, and after how long."""
    loop = asyncio.get_running_loop()

    async def one(number: int) -> tuple[str, float]:
        await asyncio.sleep(number / (3 * rate))
        sent = loop.time()
        return await gate.order(None), loop.time() - sent

    return await asyncio.gather(*(one(number) for number in range(seconds * 3 * rate)))


@pytest.mark.parametrize(("rate", "seconds"), [(10, 60), (25, 60), (100, 30), (400, 10)])
def test_as_much_is_done_as_can_be_and_the_rest_is_refused_soon(
    in_virtual_time: InVirtualTime, rate: int, seconds: int
) -> None:
    async def scenario() -> None:
        api = WriteApi(rate)
        told = await hurried(Gate(api), rate, seconds)
        counts = Counter(answer for answer, _ in told)
        assert counts["201"] >= 0.9 * rate * seconds
        assert set(counts) <= {"201", "503 overloaded", "503 circuit-open"}
        assert max(after for answer, after in told if answer != "201") <= 0.501
        assert api.busiest <= max(
            45, 1.1 * rate
        )  # calls under way: a second's work, or not many more than it begins with

    in_virtual_time(scenario())


@pytest.mark.parametrize("rate", [25, 100, 400])
def test_once_it_ends_nobody_is_refused_any_more(in_virtual_time: InVirtualTime, rate: int) -> None:
    async def scenario() -> None:
        api = WriteApi(rate)
        gate = Gate(api)
        await hurried(gate, rate, 10)
        begun = asyncio.get_running_loop().time()
        assert set(await gate.load(5, rate=rate // 2, keyed=False)) == {"201"}
        assert asyncio.get_running_loop().time() - begun < 5.1

    in_virtual_time(scenario())


def test_keyed_writes_wait_for_as_much_as_can_be_done(in_virtual_time: InVirtualTime) -> None:
    async def scenario() -> None:
        api = WriteApi(100)
        told = Counter(await Gate(api).load(30, rate=300))
        assert told["201"] >= 0.9 * 100 * 30
        assert max(Counter(api.written).values()) == 1

    in_virtual_time(scenario())


@pytest.mark.parametrize("seconds", [0.1, 0.02])
def test_a_burst_at_an_upstream_that_keeps_up_is_let_in(in_virtual_time: InVirtualTime, seconds: float) -> None:
    async def scenario() -> None:
        gate = Gate(Wide(1 / seconds))
        assert set(await asyncio.gather(*(gate.order(None) for _ in range(400)))) == {"201"}

    in_virtual_time(scenario())


@pytest.mark.parametrize("rate", [20, 100, 400])
def test_a_hand_over_costs_no_write_whether_it_has_a_key_or_not(in_virtual_time: InVirtualTime, rate: int) -> None:
    async def scenario() -> None:
        api = WriteApi(2 * rate)
        gate = Gate(api)
        async with asyncio.TaskGroup() as group:
            group.create_task(api.suffer("stalled", 1, after=10))
            told = await gate.load(20, rate=rate, keyed=False)
        assert set(told) == {"201"}

    in_virtual_time(scenario())


def test_a_client_that_goes_away_at_the_entrance_takes_no_room_with_it(in_virtual_time: InVirtualTime) -> None:
    async def scenario() -> None:
        gate = Gate(WriteApi(100))
        orders = [asyncio.ensure_future(gate.order(None)) for _ in range(60)]
        await asyncio.sleep(0.05)
        for order in orders:
            order.cancel()
        await asyncio.gather(*orders, return_exceptions=True)
        assert gate.line.entrance.concurrency.under_way == 0
        assert await gate.order(None) == "201"

    in_virtual_time(scenario())


def test_who_sheds_what_is_too_much_is_not_taken_for_broken(in_virtual_time: InVirtualTime) -> None:
    async def scenario() -> None:
        gate = Gate(Shedding(10))
        told = Counter(await gate.load(30, rate=60, keyed=False))
        assert gate.line.breaker.state is State.CLOSED
        assert told["201"] >= 0.9 * 10 * 30
        assert told["503"] == sum(told.values()) - told["201"]

    in_virtual_time(scenario())
