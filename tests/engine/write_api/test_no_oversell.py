"""No oversell: sixty-four clients, a write API that is killed and started anew, database sessions that are killed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pymysql
import pytest
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.write_api.calls import product, rows
from tests.engine.write_api.conftest import Start
from tests.engine.write_api.sale import API_KILLS, CLIENTS, PIECES, TURNS, Sale, Till, check

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]
SESSIONS = (
    "SELECT id, command = 'Query' AS busy FROM performance_schema.processlist WHERE user = 'hcs_app'"
    " ORDER BY busy DESC LIMIT 2"
)


@pytest.fixture
async def till(start_write_api: Start) -> AsyncIterator[Till]:
    till = Till(start_write_api, await asyncio.to_thread(start_write_api, LOG_LEVEL="warning"))
    yield till
    till.process.popen.kill()
    till.process.popen.wait()


async def kill_sessions(group: MysqlGroup, over: asyncio.Event) -> int:
    """Kills sessions, first those that do something; how many of these."""

    def kill() -> int:
        busy = 0
        for session in rows(group, SESSIONS):
            with contextlib.suppress(pymysql.err.OperationalError):  # it ended by itself
                group.primary.run(f"KILL {session['id']}")
                busy += session["busy"]
        return busy

    killed = 0
    while not over.is_set():
        killed += await asyncio.to_thread(kill)  # here it would hold up the clients, and find nothing in flight
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), 0.15)
    return killed


async def together(till: Till) -> float:
    """Orders a transaction, on average since the last kill."""
    async with aiohttp.ClientSession() as admin, admin.get(f"http://127.0.0.1:{till.process.admin}/metrics") as answer:
        lines = [line.split() for line in (await answer.text()).splitlines() if line.startswith("hcs_order_group_size")]
    figures = {line[0]: float(line[1]) for line in lines}
    return figures["hcs_order_group_size_sum"] / figures["hcs_order_group_size_count"]


@pytest.mark.parametrize("products", [1, 100])
async def test_what_is_sold_and_what_is_left_is_what_there_was_and_each_acknowledged_order_exists_once(
    till: Till, mysql_group: MysqlGroup, products: int
) -> None:
    async with aiohttp.ClientSession(till.url) as session:
        names = [await product(session, stock=PIECES // products) for _ in range(products)]
    wanted = [names[number % products] for number in range(CLIENTS * TURNS)]
    over = asyncio.Event()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.timeout(240):
        sale, kills = Sale(till, session), asyncio.create_task(kill_sessions(mysql_group, over))
        await asyncio.gather(sale.run(wanted), sale.kill_the_api())
        over.set()
        killed = await kills
    print(
        f"\n{len(sale.placed)} orders, {killed} sessions and {API_KILLS} write APIs killed, asked again: {sale.again}"
    )

    check(sale, mysql_group.primary, names, wanted)
    assert killed > 0
    assert sale.again["broken off"] > 0
    assert await together(till) > 1
