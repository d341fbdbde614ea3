"""Sends calls to a gateway: kinds at their rates for a time, or so many of each. Any answer but the due one counts."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from benchmarks.soak.calls import Call, Mix

PREFIX = "/api/v1"
IN_FLIGHT = 32
"""Calls of one kind that wait for their answers at a time; more wait to be sent."""
_CLOSING = frozenset({"refused"})
"""Kinds whose calls have a connection each: many refusals end theirs anyway."""


@dataclass
class Tally:
    """How many calls had the answer that was due, by kind, and which ones had another."""

    answered: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)


class Client:
    """Whoever calls: connections that are kept, and such as are not. An asynchronous context manager."""

    def __init__(self, gateway: str, mix: Mix, tally: Tally) -> None:
        self._gateway, self._mix, self._tally = gateway, mix, tally

    async def __aenter__(self) -> Self:
        self._kept = aiohttp.ClientSession(self._gateway, connector=aiohttp.TCPConnector(limit=IN_FLIGHT))
        self._fresh = aiohttp.ClientSession(self._gateway, connector=aiohttp.TCPConnector(force_close=True))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._kept.close()
        await self._fresh.close()

    async def run(self, rates: Mapping[str, float], seconds: float) -> None:
        """Each kind at its rate a second, or as fast as its calls are answered where that is slower."""
        async with asyncio.TaskGroup() as group:
            for kind, rate in rates.items():
                group.create_task(self._pace(kind, rate, time.monotonic() + seconds))

    async def once(self, counts: Mapping[str, int]) -> None:
        """So many of each kind, all at once."""
        async with asyncio.TaskGroup() as group:
            for kind, count in counts.items():
                for _ in range(count):
                    group.create_task(self._send(kind))

    async def _pace(self, kind: str, rate: float, end: float) -> None:
        gate = asyncio.Semaphore(IN_FLIGHT)
        due = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while (due := max(due + 1 / rate, time.monotonic() - 1)) < end:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await gate.acquire()
                group.create_task(self._send(kind)).add_done_callback(lambda _: gate.release())

    async def _send(self, kind: str) -> None:
        call = next(self._mix.kinds[kind])
        session = self._fresh if kind in _CLOSING else self._kept
        try:
            status = await _answer(session, call)
        except (aiohttp.ClientError, TimeoutError) as error:
            status = repr(error)
        if status == call.due:
            self._tally.answered[kind] += 1
        else:
            self._tally.others[f"{call.method} /{call.path.split('/')[1]}: {status}"] += 1


async def _answer(session: aiohttp.ClientSession, call: Call) -> int | str:
    raw = call.body if call.body is None or isinstance(call.body, bytes) else json.dumps(call.body).encode()
    header = {"Content-Type": "application/json", **call.header}
    async with session.request(call.method, PREFIX + call.path, data=raw, headers=header) as answer:
        body = await answer.read()
        if answer.status == call.due and call.learn is not None:
            call.learn(answer.headers, json.loads(body))
        return answer.status
