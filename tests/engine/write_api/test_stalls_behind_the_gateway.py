"""Keyed orders through the gateway while the database stalls: they wait, and none is refused once it is back."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine

import aiohttp
import pytest
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.write_api.calls import product, rows
from tests.engine.write_api.conftest import Process, Start, through
from tests.engine.write_api.cutting_proxy import CuttingProxy

pytestmark = pytest.mark.engine
RATE = 20
PRODUCTS = 10
DEADLINE_MS = 60_000
"""Much longer than the stall: a loaded machine may take long to catch up."""
BEFORE, STALL, AFTER = 2.0, 4.0, 8.0
"""Seconds of load, of which the database stalls in the middle."""


@pytest.fixture
async def proxy(mysql_group: MysqlGroup) -> AsyncIterator[CuttingProxy]:
    """Between the write API and its database."""
    async with CuttingProxy(mysql_group.members_host, mysql_group.port) as proxy:
        yield proxy


@pytest.fixture
def write_api(proxy: CuttingProxy, mysql_group: MysqlGroup, start_write_api: Start) -> Process:
    """A write API of its own."""
    return start_write_api(**through(proxy, mysql_group))


@pytest.fixture
def gateway(write_api: Process, start_gateway: Callable[..., Process]) -> Process:
    """A gateway with the limits that a stack has by default, but for a window so short that the stall fills it."""
    return start_gateway(write_api, "/api/v1/orders", circuitBreaker={"window": 2})


Stall = Callable[[CuttingProxy, MysqlGroup, float], Coroutine[None, None, None]]


async def killed(proxy: CuttingProxy, _group: MysqlGroup, seconds: float) -> None:
    """Connections are reset, and so is each new one, until another member is the primary."""
    proxy.down = True
    proxy.cut()
    await asyncio.sleep(seconds)
    proxy.down = False


async def hung(_proxy: CuttingProxy, group: MysqlGroup, seconds: float) -> None:
    """The server takes connections and answers nothing."""
    group.primary.container.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        group.primary.container.unpause()


async def read_only(_proxy: CuttingProxy, group: MysqlGroup, seconds: float) -> None:
    """The server says that it is the primary and refuses every write, as one that is about to be."""
    group.primary.run("SET GLOBAL super_read_only = ON")
    try:
        await asyncio.sleep(seconds)
    finally:
        group.primary.run("SET GLOBAL read_only = OFF")


@pytest.mark.parametrize("stall", [killed, hung, read_only])
async def test_no_keyed_order_is_refused_for_a_stall_shorter_than_its_deadline(
    stall: Stall, proxy: CuttingProxy, write_api: Process, gateway: Process, mysql_group: MysqlGroup
) -> None:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{write_api.http}") as direct:
        products = [await product(direct, stock=100_000) for _ in range(PRODUCTS)]
    fault: asyncio.Task[None] | None = None
    begun = time.monotonic()
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http}", connector=connector) as session,
        asyncio.TaskGroup() as group,
    ):
        calls = []
        for number in range(int(RATE * (BEFORE + STALL + AFTER))):
            await asyncio.sleep(max(0.0, begun + number / RATE - time.monotonic()))
            if fault is None and number >= RATE * BEFORE:
                fault = group.create_task(stall(proxy, mysql_group, STALL))
            calls.append(group.create_task(order(session, products[number % PRODUCTS], begun)))

    answers = [call.result() for call in calls]
    counts = Counter(told for told, _, _ in answers)
    refused = [sent for told, sent, _ in answers if told != "201"]
    when = f", refused were sent {min(refused):.1f} to {max(refused):.1f} s" if refused else ""
    print(f"\n{stall.__name__} {STALL} s: {dict(counts)}, longest {max(took for *_, took in answers):.1f} s{when}")
    assert counts == {"201": len(answers)}
    named = ", ".join(["%s"] * PRODUCTS)
    placed = rows(mysql_group, f"SELECT COUNT(*) AS n FROM hcs.orders WHERE product_id IN ({named})", *products)
    assert placed[0]["n"] == len(answers)


async def order(session: aiohttp.ClientSession, product_id: str, begun: float) -> tuple[str, float, float]:
    """What a keyed order was told, when it was sent, and how long that took; seconds."""
    body = {"user_id": "grace", "product_id": product_id, "quantity": 1}
    fields = {"Idempotency-Key": secrets.token_hex(8), "X-Request-Timeout": str(DEADLINE_MS)}
    sent = time.monotonic()
    async with session.post("/api/v1/orders", json=body, headers=fields) as answer:
        problem = (await answer.json(content_type=None)).get("type", "")
        return f"{answer.status}{problem.replace('/problems/', ' ')}", sent - begun, time.monotonic() - sent
