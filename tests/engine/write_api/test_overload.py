"""Three times as many writes as a database far away can take: what it can is done, the rest is refused and told when to
come again, and nothing piles up.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.write_api.conftest import Process, Start, through
from tests.engine.write_api.cutting_proxy import CuttingProxy

pytestmark = pytest.mark.engine
AWAY = 0.03
"""Seconds that each answer of the database is under way: so the pool's connections are what is scarce, no processor."""
CONNECTIONS = 12
MEASURED, HURRIED, CALM = 5.0, 12.0, 8.0
"""Seconds of load: as much as can be done, three times that, and half of it."""
BACK_WITHIN = 5.0
ROOM = 6 * 1024 * 1024
"""Bytes that a process may need more: its connections and their buffers."""


@pytest.fixture
async def proxy(mysql_group: MysqlGroup) -> AsyncIterator[CuttingProxy]:
    """Between the write API and its database."""
    async with CuttingProxy(mysql_group.members_host, mysql_group.port, delay=AWAY) as proxy:
        yield proxy


@pytest.fixture
def write_api(proxy: CuttingProxy, mysql_group: MysqlGroup, start_write_api: Start) -> Process:
    """A write API of its own, far from its database."""
    return start_write_api(**through(proxy, mysql_group), DATABASE_POOL_SIZE=str(CONNECTIONS))


@pytest.fixture
async def client(write_api: Process, start_gateway: Callable[..., Process]) -> AsyncIterator[Client]:
    """Clients of a gateway in front of it."""
    gateway = start_gateway(write_api, "/api/v1/products")
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http}", connector=connector) as session:
        yield Client(session, [gateway.popen.pid, write_api.popen.pid])


class Client:
    """Writes without a key, and what they are told."""

    def __init__(self, session: aiohttp.ClientSession, processes: list[int]) -> None:
        self._session, self._processes = session, processes

    async def write(self) -> str:
        """What a new product was told: a status, and a problem's slug. A refusal says when to come again."""
        body = {"product_id": f"p-{secrets.token_hex(6)}", "name": "Far away", "price": "1.00", "stock": 1}
        async with self._session.post("/api/v1/products", json=body) as answer:
            document = await answer.json(content_type=None)
            assert answer.status == 201 or (answer.status == 503 and int(answer.headers["Retry-After"]) >= 1), document
            return f"{answer.status}{document.get('type', '').replace('/problems/', ' ')}"

    async def capacity(self) -> float:
        """Writes a second, with as many clients as keep every connection busy, once there are as many."""
        await asyncio.gather(*(self.write() for _ in range(CONNECTIONS)))
        end, done = time.monotonic() + MEASURED, 0

        async def one() -> None:
            nonlocal done
            while time.monotonic() < end:
                assert await self.write() == "201"
                done += time.monotonic() <= end

        await asyncio.gather(*(one() for _ in range(CONNECTIONS + 4)))
        return done / MEASURED

    async def load(self, rate: float, seconds: float) -> list[tuple[float, str]]:
        """What writes at a steady rate were told, and when that was: seconds after the first was sent."""
        begun = time.monotonic()

        async def one(number: int) -> tuple[float, str]:
            await asyncio.sleep(begun + number / rate - time.monotonic())
            told = await self.write()
            return time.monotonic() - begun, told

        return await asyncio.gather(*(one(number) for number in range(round(rate * seconds))))

    def memory(self) -> list[int]:
        """Bytes that each process has for itself."""
        return [_private(pid) for pid in self._processes]


def _private(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


async def test_at_three_times_what_can_be_done_nine_tenths_of_it_are_and_the_rest_is_refused(client: Client) -> None:
    before = await client.capacity()
    told = await client.load(3 * before, HURRIED)
    memory = client.memory()
    told += await client.load(3 * before, HURRIED)
    grown = [now - then for now, then in zip(client.memory(), memory, strict=True)]
    after = await client.load(before / 2, CALM)
    least = min(before, await client.capacity())

    done = sum(answer == "201" and at <= HURRIED for at, answer in told) / (2 * HURRIED)
    counts = Counter(answer for _, answer in told)
    print(f"\ncapacity {least:.0f}/s, done {done:.0f}/s of {3 * before:.0f}/s: {dict(counts)}; grown by {grown} bytes")
    assert done >= 0.9 * least
    assert set(counts) == {"201", "503 overloaded"}
    assert max(grown) < ROOM
    assert {answer for at, answer in after if at > BACK_WITHIN} == {"201"}
