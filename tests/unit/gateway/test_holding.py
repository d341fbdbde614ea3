"""Keyed writes wait out a stall; nobody else does, and what waiting costs is bounded. In virtual time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.unit.gateway.virtual_time import BUSY, ROUTE, Answered, Gate, WriteApi, run

from hcs_services.gateway import metrics, waiting_room
from hcs_services.gateway.upstream import Call

pytestmark = pytest.mark.unit
InVirtualTime = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def in_virtual_time(monkeypatch: pytest.MonkeyPatch) -> InVirtualTime:
    return lambda work: run(monkeypatch, work)


async def told_over(api: WriteApi, gate: Gate, kind: str, seconds: float, **load: Any) -> list[str]:
    """What orders are told that are sent for ten seconds before a fault, during it and for ten seconds after."""
    async with asyncio.TaskGroup() as group:
        group.create_task(api.suffer(kind, seconds, after=10))
        return await gate.load(10 + seconds + 10, **load)


@pytest.mark.parametrize("seconds", [2, 4, 8])
@pytest.mark.parametrize("kind", ["stalled", "failing", "down"])
@pytest.mark.parametrize("rate", [25, 200])
def test_no_keyed_write_is_refused_for_a_fault_shorter_than_its_deadline(
    in_virtual_time: InVirtualTime, rate: int, kind: str, seconds: int
) -> None:
    async def scenario() -> None:
        api = WriteApi(rate)
        told = await told_over(api, Gate(api), kind, seconds)
        assert Counter(told) == {"201": 20 * (20 + seconds)}
        assert max(Counter(api.written).values()) == 1

    in_virtual_time(scenario())


def test_with_a_deadline_shorter_than_the_stall_only_those_are_refused_whose_time_ends_in_it(
    in_virtual_time: InVirtualTime,
) -> None:
    async def scenario() -> None:
        api = WriteApi(40)
        told = await told_over(api, Gate(api), "stalled", 8, deadline=4)
        assert 80 <= len([each for each in told if each != "201"]) <= 90

    in_virtual_time(scenario())


@pytest.mark.parametrize("kind", ["failing", "down", "dying"])
def test_writes_without_a_key_are_refused_at_once(in_virtual_time: InVirtualTime, kind: str) -> None:
    async def scenario() -> None:
        api = WriteApi(40)
        gate = Gate(api)
        setattr(api, kind, True)
        loop = asyncio.get_running_loop()
        for _ in range(40):
            begun = loop.time()
            assert (await gate.order(None)) != "201"
            assert loop.time() - begun < 0.5

    in_virtual_time(scenario())


@pytest.mark.parametrize("kind", ["failing", "down", "dying"])
def test_for_an_upstream_broken_for_good_nobody_waits_and_few_calls_are_made(
    in_virtual_time: InVirtualTime, kind: str
) -> None:
    async def scenario() -> None:
        api = WriteApi(40)
        gate = Gate(api)
        await gate.load(10)
        setattr(api, kind, True)
        await gate.load(40)
        before, begun = api.calls, asyncio.get_running_loop().time()
        told = await gate.load(20)
        assert asyncio.get_running_loop().time() - begun < 20.5  # the last was told at once, as all were
        assert "201" not in told
        assert api.calls - before <= 20 / 5 * 5 + 5  # five probes every five seconds
        setattr(api, kind, False)
        assert (await gate.load(20))[-1] == "201"

    in_virtual_time(scenario())


def test_an_upstream_that_was_given_up_is_waited_for_again_once_it_has_answered(
    in_virtual_time: InVirtualTime,
) -> None:
    async def scenario() -> None:
        api = WriteApi(40)
        gate = Gate(api)
        api.down = True
        await gate.load(40)
        api.down = False
        await gate.load(20)
        assert set(await told_over(api, gate, "down", 4)) == {"201"}

    in_virtual_time(scenario())


@pytest.mark.parametrize("kind", ["stalled", "failing", "down"])
def test_beyond_the_rooms_places_a_write_is_refused_at_once(
    in_virtual_time: InVirtualTime, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    async def scenario() -> None:
        api = WriteApi(40)
        gate = Gate(api)
        monkeypatch.setattr(gate.line.room, "_places", 8)
        api.failing = True
        await gate.load(2, keyed=False)  # opens the circuit
        api.failing = False
        asyncio.get_running_loop().create_task(api.suffer(kind, 60))
        most, quick = 0, 0
        async with asyncio.TaskGroup() as group:
            for number in range(100):
                order = group.create_task(gate.order(str(number)))
                await asyncio.sleep(0.01)
                most = max(most, gate.line.room.waiting)
                quick += order.done() and order.result() == "503 circuit-open"
        assert (most, quick) == (8, 92)
        assert gate.line.room.waiting == 0

    in_virtual_time(scenario())


def test_beyond_the_rooms_bytes_a_write_is_refused_at_once(in_virtual_time: InVirtualTime) -> None:
    async def scenario() -> None:
        api = WriteApi(40)
        gate = Gate(api)
        api.down = True
        async with asyncio.TaskGroup() as group:
            orders = [group.create_task(gate.order(str(n), size=64 * 1024)) for n in range(100)]
            await asyncio.sleep(0.5)
            held = sum(not order.done() for order in orders)
        assert held == waiting_room.BYTES // (64 * 1024) - 1  # a header costs, too

    in_virtual_time(scenario())


def test_a_client_that_goes_away_frees_its_place(in_virtual_time: InVirtualTime) -> None:
    async def scenario() -> None:
        api = WriteApi(40)
        gate = Gate(api)
        api.down = True
        orders = [asyncio.ensure_future(gate.order(str(n))) for n in range(5)]
        await asyncio.sleep(0.5)
        assert (gate.line.room.waiting, metrics.HELD.labels("write-api")._value.get()) == (5, 5)
        for order in orders:
            order.cancel()
        await asyncio.gather(*orders, return_exceptions=True)
        assert (gate.line.room.waiting, metrics.HELD.labels("write-api")._value.get()) == (0, 0)
        api.down = False
        assert await gate.order("after") == "201"

    in_virtual_time(scenario())


def test_a_head_of_the_line_that_goes_away_lets_the_next_one_ask(in_virtual_time: InVirtualTime) -> None:
    async def scenario() -> None:
        api = WriteApi(40)
        gate = Gate(api)
        api.failing = True
        await gate.load(2, keyed=False)
        api.failing = False
        first, second = (asyncio.ensure_future(gate.order(key)) for key in ("1", "2"))
        await asyncio.sleep(0.01)
        first.cancel()
        assert await second == "201"

    in_virtual_time(scenario())


def test_what_waits_too_long_is_told_why_and_that_it_may_come_back(in_virtual_time: InVirtualTime) -> None:
    async def scenario() -> None:
        api = WriteApi(40)
        gate = Gate(api)
        api.down = True
        given_up = metrics.GIVEN_UP.labels("write-api", "late")
        before = given_up._value.get()
        begun = asyncio.get_running_loop().time()
        assert await gate.order("k", deadline=5) == "503 upstream-unavailable"
        assert 3 <= asyncio.get_running_loop().time() - begun <= 4
        assert given_up._value.get() == before + 1

    in_virtual_time(scenario())


def test_without_time_to_wait_the_upstreams_own_answer_is_passed_on(in_virtual_time: InVirtualTime) -> None:
    async def scenario() -> None:
        api = WriteApi(40)
        api.failing = True
        assert await Gate(api).order("k", deadline=1.5) == "503"

    in_virtual_time(scenario())


class Scripted(WriteApi):
    """Answers what it is given to, in turn."""

    def __init__(self, *answers: Answered | None) -> None:
        super().__init__(100)
        self._answers = list(answers)

    async def _serve(self, key: str) -> Answered:
        answer = self._answers.pop(0)
        self.dying = answer is None
        return answer or await super()._serve(key)


CREATED, IN_FLIGHT, LASTING = Answered(201), Answered(409, Retry_After="1"), Answered(503)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([BUSY, BUSY, CREATED], "201", id="a 503 that passes"),
        pytest.param([LASTING], "503", id="a 503 that states a lasting fact"),
        pytest.param([None, CREATED], "201", id="one loss"),
        pytest.param([None, None], "502 bad-gateway", id="a second loss is the answer"),
        pytest.param([None, IN_FLIGHT, CREATED], "201", id="the lost try is still being worked on"),
        pytest.param([IN_FLIGHT], "409", id="another request with this key is in flight"),
        pytest.param([BUSY, IN_FLIGHT], "409", id="another one's, after a refusal"),
        pytest.param([BUSY, Answered(422)], "422", id="a final answer after a wait"),
    ],
)
def test_what_a_keyed_write_waits_for(
    in_virtual_time: InVirtualTime, answers: list[Answered | None], expected: str
) -> None:
    async def scenario() -> None:
        api = Scripted(*answers)
        assert await Gate(api).order("k") == expected
        assert api.calls == len(answers)
        assert api.closed == sum(answer is not None for answer in answers)

    in_virtual_time(scenario())


@pytest.mark.parametrize(("method", "expected"), [("POST", True), ("PATCH", False), ("DELETE", False), ("GET", False)])
def test_only_a_post_can_be_made_later_under_its_key(method: str, expected: bool) -> None:
    assert Call(method, "/", [("idempotency-key", "k")], b"").keyed_write is expected


@pytest.mark.parametrize("answers", [[BUSY], [None]])
def test_a_route_that_forbids_second_tries_makes_none(
    in_virtual_time: InVirtualTime, answers: list[Answered | None]
) -> None:
    async def scenario() -> None:
        api = Scripted(*answers)
        assert (await Gate(api, route={**ROUTE, "retry": False}).order("k"))[:2] == "50"
        assert api.calls == 1

    in_virtual_time(scenario())


def test_a_try_is_not_made_before_the_time_for_which_the_upstream_asked(in_virtual_time: InVirtualTime) -> None:
    async def scenario() -> None:
        begun = asyncio.get_running_loop().time()
        assert await Gate(Scripted(Answered(503, Retry_After="3"), CREATED)).order("k") == "201"
        assert 3 <= asyncio.get_running_loop().time() - begun < 4

    in_virtual_time(scenario())


@pytest.mark.parametrize(("serves", "load"), [(15, 20), (20, 40)])
def test_more_writes_than_can_be_served_cost_no_work_done_in_vain(
    in_virtual_time: InVirtualTime, serves: int, load: int
) -> None:
    async def scenario() -> None:
        api = WriteApi(serves)
        told = Counter(await Gate(api).load(120, rate=load))
        assert told["201"] >= 0.95 * serves * 120

    in_virtual_time(scenario())


def test_the_crowd_that_waited_does_not_bury_what_has_come_back(in_virtual_time: InVirtualTime) -> None:
    async def scenario() -> None:
        api = WriteApi(25)
        gate = Gate(api)
        api.down = True
        crowd = [asyncio.ensure_future(gate.order(str(n), deadline=30)) for n in range(300)]
        await asyncio.sleep(4)
        api.down = False
        assert set(await asyncio.gather(*crowd)) == {"201"}
        assert api.busiest <= 25  # a second's work: beyond it answers would be slow

    in_virtual_time(scenario())
