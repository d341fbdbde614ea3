"""Three times as many calls as a service behind a gateway can take, writes or reads that no cache can answer: what can be
is done, the rest is refused and told when to come again, and nothing piles up.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

import aiohttp
import pytest
from benchmarks.soak.stack import memory
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.worker.task_stack import TaskStack
from tests.engine.write_api.conftest import through
from tests.engine.write_api.cutting_proxy import CuttingProxy

pytestmark = pytest.mark.engine
STARTED = 1.0
"""Seconds until what is done is counted: then calls end as fast as they are made."""
MEASURED, HURRIED, CALM = 4.0, 8.0, 7.0
"""Seconds of load: as much as can be done, three times that, and half of it."""
BACK_WITHIN = 5.0
ROOM = 6.0
"""MiB that a process may need more: its connections and their buffers."""


@dataclass(frozen=True)
class Kind:
    """Calls that each need the database, at which the tier may have so many at once.

    `away`: seconds that each answer of the database is under way, so that this is what is scarce, and no processor.
    """

    tier: str
    method: str
    route: str
    done: str
    away: float
    at_once: int
    settings: Mapping[str, str]
    one: Callable[[], tuple[str, dict[str, Any] | None]]
    """The path and the body of another one."""


def new_product() -> tuple[str, dict[str, Any]]:
    body = {"product_id": f"p-{secrets.token_hex(6)}", "name": "Far away", "price": "1.00", "stock": 1}
    return "/api/v1/products", body


def nobodys_orders() -> tuple[str, None]:
    """A list that was never read, so that each read is a statement of its own."""
    return f"/api/v1/users/u-{secrets.token_hex(6)}/orders", None


WRITES = Kind("write-api", "POST", "/api/v1/products", "201", 0.03, 12, {"DATABASE_POOL_SIZE": "12"}, new_product)
AT_THE_PRIMARY = {"DATABASE_READERS_HOST": "", "PRIMARY_READS": "2"}
READS = Kind("read-api", "GET", "/api/v1/users/{user_id}/orders", "200", 0.05, 2, AT_THE_PRIMARY, nobodys_orders)


class Told(NamedTuple):
    """What a call was told, a status and a problem's slug; when, since the first was sent, and after how many seconds."""

    answer: str
    at: float
    took: float


class Clients:
    """They make calls of a kind, and look at the memory of the processes that answer them."""

    def __init__(self, kind: Kind, session: aiohttp.ClientSession, processes: Sequence[int]) -> None:
        self._kind, self._session, self._processes = kind, session, processes

    async def call(self) -> str:
        """What one was told. A refusal says when to come again."""
        path, body = self._kind.one()
        async with self._session.request(self._kind.method, path, json=body) as answer:
            document = await answer.json(content_type=None)
            refused = answer.status in {429, 503} and int(answer.headers["Retry-After"]) >= 1
            assert str(answer.status) == self._kind.done or refused, document
            return f"{answer.status}{document.get('type', '').replace('/problems/', ' ')}"

    async def capacity(self) -> float:
        """Calls a second, with as many clients as keep the database's share busy, once it is connected."""
        await asyncio.gather(*(self.call() for _ in range(self._kind.at_once)))
        begun, ends = time.monotonic(), []

        async def one() -> None:
            while time.monotonic() < begun + MEASURED:
                assert await self.call() == self._kind.done
                ends.append(time.monotonic() - begun)

        await asyncio.gather(*(one() for _ in range(self._kind.at_once + 4)))
        return counted(ends, MEASURED) / (MEASURED - STARTED)

    async def load(self, rate: float, seconds: float) -> list[Told]:
        """What calls at a steady rate were told."""
        begun = time.monotonic()

        async def one(number: int) -> Told:
            await asyncio.sleep(begun + number / rate - time.monotonic())
            sent = time.monotonic()
            answer = await self.call()
            return Told(answer, time.monotonic() - begun, time.monotonic() - sent)

        return await asyncio.gather(*(one(number) for number in range(round(rate * seconds))))

    def memory(self) -> list[float]:
        """MiB that each process has for itself."""
        return [memory(pid) for pid in self._processes]


def counted(ends: Iterable[float], seconds: float) -> int:
    """How many calls ended in so many seconds of load, once it has started."""
    return sum(STARTED <= end <= seconds for end in ends)


@asynccontextmanager
async def far_away(
    kind: Kind, group: MysqlGroup, environment: Callable[[str], dict[str, str]], folder: Path
) -> AsyncIterator[Clients]:
    """Clients of a gateway in front of the tier, which is far from its database."""
    environments = {tier: environment(tier) for tier in (kind.tier, "gateway")}
    stack, config = TaskStack(environments.__getitem__), folder / "gateway.json"
    async with CuttingProxy(group.members_host, group.port, delay=kind.away) as proxy:
        try:
            settings = {**through(proxy, group), **kind.settings}
            tier = await asyncio.to_thread(lambda: stack.tier(kind.tier, **settings))
            route = {"methods": [kind.method], "path": kind.route, "upstream": kind.tier}
            upstreams = {kind.tier: {"host": "127.0.0.1", "port": tier.ports["http"]}}
            document = {"upstreams": upstreams, "routes": [route], "rateLimit": {"enabled": False}}
            config.write_text(json.dumps(document))
            gateway = stack.tier("gateway", GATEWAY_CONFIG=str(config), LOG_LEVEL="warning")
            async with aiohttp.ClientSession(gateway.url(), connector=aiohttp.TCPConnector(limit=0)) as session:
                yield Clients(kind, session, [gateway.popen.pid, tier.popen.pid])
        finally:
            stack.close()


@pytest.mark.parametrize("kind", [WRITES, READS], ids=lambda kind: kind.tier)
async def test_at_three_times_what_can_be_done_nine_tenths_of_it_are_and_the_rest_is_refused(
    kind: Kind, mysql_group: MysqlGroup, tier_environment: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    async with far_away(kind, mysql_group, tier_environment, tmp_path) as clients:
        before = await clients.capacity()
        told = await clients.load(3 * before, HURRIED)
        sizes = clients.memory()
        told += await clients.load(3 * before, HURRIED)
        grown = [now - then for now, then in zip(clients.memory(), sizes, strict=True)]
        after = await clients.load(before / 2, CALM)
        least = min(before, await clients.capacity())

    done = counted((each.at for each in told if each.answer == kind.done), HURRIED) / 2 / (HURRIED - STARTED)
    counts = Counter(each.answer for each in told)
    refusals = [each.took * 1000 for each in told if each.answer != kind.done]
    growth = ", ".join(f"{size:.1f} {more:+.2f}" for size, more in zip(sizes, grown, strict=True))
    print(
        f"\n{kind.tier}: capacity {least:.0f}/s, done {done:.0f}/s ({done / least:.0%}) of {3 * before:.0f}/s:"
        f" {dict(counts)}; refused after {median(refusals):.1f} ms, p99 {quantiles(refusals, n=100)[-1]:.1f} ms;"
        f" MiB of gateway and tier: {growth}"
    )
    assert done >= 0.9 * least
    assert set(counts) == {kind.done, "503 overloaded"}
    assert max(grown) < ROOM
    assert {each.answer for each in after if each.at > BACK_WITHIN} == {kind.done}
