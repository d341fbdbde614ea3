"""A sale of fewer pieces than are asked for, to clients who each ask for an order under one key until they know what
became of it, as one does whose connection broke off.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence

import aiohttp
from tests.engine.mysql_servers import Mysqld
from tests.engine.write_api.calls import call
from tests.engine.write_api.conftest import Process, Start

from hcs_services.identifiers import parse_order_id

CLIENTS, TURNS = 64, 17  # more orders than there are pieces
PIECES, API_KILLS = 1_000, 3


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


class Sale:
    """What the clients were told: the id of each order, the refusals by product, and how often they had to ask again."""

    def __init__(self, till: Till, session: aiohttp.ClientSession) -> None:
        self._till, self._session = till, session
        self.placed: list[str] = []
        self.refused: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        self.due = asyncio.Event()
        """Set each time that so many more orders are placed: then somebody is killed."""

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
            self.due.set()

    async def kill_the_api(self) -> None:
        """While orders are in flight, each time so many more are placed."""
        for _ in range(API_KILLS):
            await self.due.wait()
            self.due.clear()
            await self._till.kill()


def check(sale: Sale, primary: Mysqld, names: Sequence[str], wanted: Sequence[str]) -> None:
    """What is sold and what is left is what there was, and each acknowledged order exists once."""
    marks = ", ".join(["%s"] * len(names))
    orders = primary.ask(f"SELECT order_id, product_id FROM hcs.orders WHERE product_id IN ({marks})", *names)
    stocks = primary.ask(f"SELECT product_id, stock FROM hcs.products WHERE product_id IN ({marks})", *names)
    assert sorted(parse_order_id(order_id) or 0 for order_id in sale.placed) == sorted(
        row["order_id"] for row in orders
    )
    sold = Counter(row["product_id"] for row in orders)
    left = {row["product_id"]: row["stock"] for row in stocks}
    asked, pieces = Counter(wanted), PIECES // len(names)
    assert {name: sold[name] + left[name] for name in names} == dict.fromkeys(names, pieces)
    assert {name: sold[name] + sale.refused[name] for name in names} == asked
    assert all(left[name] == 0 for name in names if asked[name] >= pieces)
