"""No oversell: sixty-four clients, a write API that is killed and started anew, database sessions that are killed.

Each client asks for each of its orders under one key until it knows what became of it, as a client does whose
connection broke off.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pymysql
import pytest
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.write_api.calls import call, product, rows
from tests.engine.write_api.conftest import Process, Start

from hcs_services.identifiers import parse_order_id

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]
CLIENTS, TURNS = 64, 17  # more orders than there are pieces
PIECES, API_KILLS = 1_000, 3
SESSIONS = (
    "SELECT id, command = 'Query' AS busy FROM performance_schema.processlist WHERE user = 'hcs_app'"
    " ORDER BY busy DESC LIMIT 2"
)


class Till:
    """One write API after the other; `open` while one serves."""

    def __init__(self, start: Start, first: Process) -> None:
        self._start, self.process = start, first
        self.open = asyncio.Event()
        self.open.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.process.http}"

    async def kill(self) -> None:
        """SIGKILL, and another one in its place."""
        self.open.clear()
        self.process.popen.kill()
        self.process.popen.wait()
        self.process = await asyncio.to_thread(self._start, LOG_LEVEL="warning")
        self.open.set()


@pytest.fixture
async def till(start_write_api: Start) -> AsyncIterator[Till]:
    till = Till(start_write_api, await asyncio.to_thread(start_write_api, LOG_LEVEL="warning"))
    yield till
    till.process.popen.kill()
    till.process.popen.wait()


class Sale:
    """What the clients were told: the id of each order, the refusals by product, and how often they had to ask again."""

    def __init__(self, till: Till, session: aiohttp.ClientSession) -> None:
        self._till, self._session = till, session
        self.placed: list[str] = []
        self.refused: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        self._due = asyncio.Event()

    async def run(self, wanted: Sequence[str]) -> None:
        """Each product is wanted once more for each time it is named; the clients take turns."""
        shares = [wanted[client::CLIENTS] for client in range(CLIENTS)]
        await asyncio.gather(*(self._buy(f"u{client % 9}", share) for client, share in enumerate(shares)))

    async def _buy(self, user_id: str, products: Sequence[str]) -> None:
        for product_id in products:
            await self._order({"user_id": user_id, "product_id": product_id, "quantity": 1})

    async def _order(self, body: dict[str, object]) -> None:
        headers = {"Idempotency-Key": secrets.token_hex(8)}
        while True:
            await self._till.open.wait()
            try:
                at = f"{self._till.url}/api/v1/orders"
                status, document, told = await call(self._session, "POST", at, json=body, headers=headers)
            except aiohttp.ClientError:
                self.again["broken off"] += 1
                continue
            if status == 201:
                self.again["replayed"] += "Idempotency-Replayed" in told
                self._note(document["order_id"])
                return
            if document["type"] == "/problems/insufficient-stock":
                self.refused[str(body["product_id"])] += 1
                return
            assert document["retryable"], document
            self.again[document["type"]] += 1
            await asyncio.sleep(0.1)

    def _note(self, order_id: str) -> None:
        self.placed.append(order_id)
        if len(self.placed) % (PIECES // (API_KILLS + 1)) == 0 and len(self.placed) < PIECES:
            self._due.set()

    async def kill_the_api(self) -> None:
        """While orders are in flight, each time so many more are placed."""
        for _ in range(API_KILLS):
            await self._due.wait()
            self._due.clear()
            await self._till.kill()


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

    marks = ", ".join(["%s"] * products)
    orders = rows(mysql_group, f"SELECT order_id, product_id FROM hcs.orders WHERE product_id IN ({marks})", *names)
    stocks = rows(mysql_group, f"SELECT product_id, stock FROM hcs.products WHERE product_id IN ({marks})", *names)
    assert sorted(parse_order_id(order_id) or 0 for order_id in sale.placed) == sorted(
        row["order_id"] for row in orders
    )
    sold = Counter(row["product_id"] for row in orders)
    left = {row["product_id"]: row["stock"] for row in stocks}
    asked = Counter(wanted)
    assert {name: sold[name] + left[name] for name in names} == dict.fromkeys(names, PIECES // products)
    assert {name: sold[name] + sale.refused[name] for name in names} == asked
    assert all(left[name] == 0 for name in names if asked[name] >= PIECES // products)
    assert killed > 0
    assert sale.again["broken off"] > 0
    assert await together(till) > 1
