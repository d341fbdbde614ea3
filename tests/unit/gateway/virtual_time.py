"""An event loop whose clock moves only when nothing is left to do, and an upstream that is played on it.

So a stall of eight seconds takes milliseconds, and what is counted does not depend on the machine.
"""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from hcs_services import request_context
from hcs_services.gateway.calling import Caller
from hcs_services.gateway.config import GatewayConfig
from hcs_services.gateway.retry import Failure
from hcs_services.gateway.upstream import Call, CallFailed, Upstream
from hcs_services.problem import Problem

ROUTE = {"methods": ["POST"], "path": "/api/v1/orders", "upstream": "write-api"}


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing is left to wait for"
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs timers in order without waiting for them."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual.now


def run(monkeypatch: pytest.MonkeyPatch, work: Coroutine[Any, Any, Any]) -> None:
    """Run in virtual time, deadlines of requests included."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        monkeypatch.setattr(request_context, "time", SimpleNamespace(monotonic=loop.time))
        runner.run(work)


class Answered:
    """The answer of a played endpoint."""

    def __init__(self, status: int, **fields: str) -> None:
        self.status = status
        self._fields = {name.lower().replace("_", "-").encode(): value for name, value in fields.items()}

    def field(self, name: bytes) -> str | None:
        """The value of a field."""
        return self._fields.get(name)


BUSY = Answered(503, Retry_After="1")


class WriteApi:
    """A write API as the gateway sees it: it serves `rate` calls a second, one after the other, when its database does.

    While `stalled`, it lets its callers wait until their deadlines (then 503); while `failing`, it answers 503 soon;
    while `down`, it takes no connection; while `dying`, it breaks off what it took. `calls` are those that reached it,
    `busiest` how many it had at a time, `written` the keys of what it carried out.
    """

    in_flight = 0
    retired = False

    def __init__(self, rate: float) -> None:
        self.seconds = 1 / rate
        self.well = asyncio.Event()
        self.well.set()
        self.failing = self.down = self.dying = False
        self.calls = self.closed = 0
        self.busiest = 0
        self.written: list[str] = []
        self._turn = asyncio.Lock()

    async def open(self, call: Call, hop: tuple[str, str]) -> Answered:
        """Answer a call."""
        if self.down:
            raise CallFailed(Failure.UNSENT, OSError("refused"))
        self.calls += 1
        self.in_flight += 1
        self.busiest = max(self.busiest, self.in_flight)
        try:
            async with asyncio.timeout(int(hop[1]) / 1000):
                return await self._serve(dict(call.headers).get("idempotency-key", ""))
        except TimeoutError:
            return BUSY
        finally:
            self.in_flight -= 1

    async def close(self, _response: Answered) -> None:
        """Take an answer back."""
        self.closed += 1

    async def suffer(self, kind: str, seconds: float, *, after: float = 0) -> None:
        """Be `stalled`, `failing`, `down` or `dying` for a while, some time from now."""
        await asyncio.sleep(after)
        if kind == "stalled":
            await self.stall(seconds)
            return
        setattr(self, kind, True)
        await asyncio.sleep(seconds)
        setattr(self, kind, False)

    async def stall(self, seconds: float) -> None:
        """Serve nobody for so long."""
        self.well.clear()
        await asyncio.sleep(seconds)
        self.well.set()

    async def _serve(self, key: str) -> Answered:
        if self.failing:
            await asyncio.sleep(0.3)
            return BUSY
        if self.dying:
            raise CallFailed(Failure.UNKNOWN, OSError("reset"))
        async with self._turn:
            await self.well.wait()
            await asyncio.sleep(self.seconds)
        self.written.append(key)
        return Answered(201)


class Gate:
    """The calling half of a gateway in front of played endpoints, with one route for orders."""

    def __init__(self, *endpoints: WriteApi, route: Mapping[str, Any] = ROUTE, **breaker: float) -> None:
        document = {"upstreams": {"write-api": {"host": "w"}}, "routes": [route], "circuitBreaker": breaker}
        config = GatewayConfig.model_validate(document)
        self.route = config.routes[0]
        self.upstream = Upstream("write-api", "w", 1, Random(1))
        self.upstream._endpoints = dict(enumerate(endpoints))  # type: ignore[arg-type]
        self.caller = Caller(config, {"write-api": self.upstream}, asyncio.get_running_loop().time)
        self.line = self.caller._lines[id(self.route)]

    async def order(self, key: str | None, *, deadline: float = 10.0, size: int = 2) -> str:
        """Post an order and return what it was told: a status, and the problem's slug if there is one."""
        loop = asyncio.get_running_loop()
        sent = loop.time()
        trace = request_context.continue_trace(None)
        request_context.enter(request_id="r", trace=trace, deadline=sent + deadline)
        headers = [("idempotency-key", key)] if key is not None else []
        try:
            answer = await self.caller.call(self.route, Call("POST", "/api/v1/orders", headers, b"x" * size))
            await answer.close()
            told = str(answer.response.status)
        except Problem as problem:
            told = f"{problem.status} {problem.slug}"
        assert loop.time() <= sent + deadline + 0.001
        return told

    async def load(self, seconds: float, *, rate: int = 20, keyed: bool = True, deadline: float = 10.0) -> list[str]:
        """Post orders at a steady rate; return what they were told, in the order in which they were sent."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        orders = []
        async with asyncio.TaskGroup() as group:
            for number in range(round(rate * seconds)):
                await asyncio.sleep(begun + number / rate - loop.time())
                key = f"{begun}-{number}" if keyed else None
                orders.append(group.create_task(self.order(key, deadline=deadline)))
        return [order.result() for order in orders]
