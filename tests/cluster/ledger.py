"""A client that writes down every answer, and the sums that must hold once it has stopped.

Acknowledged (2xx) must be there, refused (4xx) must not, and whatever is neither (a 5xx, a time-out, a reset) is unknown
and settled by sending the same idempotency key again; a 500 is a bug, whoever answers it. Some of the paid orders are
cancelled: their stock and their money must come back. Effects are counted where they happen: mails at the sink, charges
and refunds at the payment stub, stock and orders in the primary's own answers.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from types import TracebackType
from typing import Any

import aiohttp
from tests.cluster.attempts import FRESH, Attempt, ask_for_task, send
from tests.cluster.balance import Balance
from tests.cluster.kubectl import until

STOCK = 1_000_000
USERS = 10
PRICE = Decimal("2.50")
CANCELS_PER_TASK = 0.1  # every other task is a payment: a fifth of the paid orders is cancelled


class Ledger:
    """The record of a load of orders and tasks against one stack."""

    def __init__(self, gateway: str, sink: str, stub: str) -> None:
        self.gateway, self.sink, self.stub = gateway, sink, stub
        self.run = uuid.uuid4().hex[:8]
        self.product = f"ledger-{self.run}"
        self.users = [f"u-{self.run}-{number}" for number in range(USERS)]
        self.orders: list[Attempt] = []
        self.mails: list[Attempt] = []
        self.payments: list[Attempt] = []
        self.cancels: list[Attempt] = []
        self.gap = 0.0  # seconds
        self._delivered: set[str] = set()

    @contextmanager
    def trickle(self, orders_per_second: float = 20, tasks_per_second: float = 5) -> Iterator[Ledger]:
        """Sends a steady load from a thread of its own while the body runs; at least 200 acknowledged before and after it."""
        self._in_new_loop(self._open_shop())
        load = _Load(self, orders_per_second, tasks_per_second)
        with load:
            self.until_acknowledged(200, "before", 60)
            yield self
            self.until_acknowledged(200, "after", 120)
        self.gap = load.longest_gap()

    def until_acknowledged(self, more: int, when: str, seconds: float) -> None:
        """Waits for so many orders that are acknowledged from now on."""
        mark = self._acknowledged(self.orders)
        until(f"{more} orders acknowledged {when}", lambda: self._acknowledged(self.orders) >= mark + more, seconds)

    def send_one_mail(self) -> None:
        """Gives the workers one task."""
        attempt = self.next_task(0)

        async def once() -> None:
            async with aiohttp.ClientSession() as http:
                await send(http, self.gateway, attempt)

        self._in_new_loop(once())

    def settle_and_balance(self) -> Balance:
        """Settles the unknown by their keys, then asserts every sum."""
        unknown = len(self._open_ones())
        self._in_new_loop(self._settle())
        bugs = [bug for attempt in self._attempts() for bug in attempt.bugs]
        assert not bugs, f"answers of 500: {bugs[:5]} ({len(bugs)})"
        self._in_new_loop(self._balance())
        kinds = (self.orders, self.mails, self.payments, self.cancels)
        orders, mails, payments, cancels = (self._acknowledged(kind) for kind in kinds)
        return Balance(orders, mails, payments, cancels, unknown, self.gap)

    def _attempts(self) -> list[Attempt]:
        return [*self.orders, *self.mails, *self.payments, *self.cancels]

    def _open_ones(self) -> list[Attempt]:
        return [attempt for attempt in self._attempts() if not attempt.settled]

    @staticmethod
    def _acknowledged(attempts: list[Attempt]) -> int:
        return sum(attempt.acknowledged for attempt in attempts)

    @staticmethod
    def _in_new_loop(work: Any) -> None:
        asyncio.run(work)

    async def _open_shop(self) -> None:
        async with aiohttp.ClientSession() as http:
            product = Attempt(
                "/products", {"product_id": self.product, "name": "Ledger", "price": str(PRICE), "stock": STOCK}
            )
            await send(http, self.gateway, product)
            assert product.status == 201, product

    def next_order(self, number: int) -> Attempt:
        """The load's next order; quantities differ so that a sum of them means something."""
        body = {"user_id": self.users[number % USERS], "product_id": self.product, "quantity": 1 + number % 3}
        self.orders.append(attempt := Attempt("/orders", body))
        return attempt

    def next_task(self, number: int) -> Attempt:
        """The load's next task: a mail, or a payment for an order that was acknowledged and not paid for yet."""
        paid = {attempt.body["order_id"] for attempt in self.payments}
        unpaid = next((o.answer for o in self.orders if o.acknowledged and o.answer["order_id"] not in paid), None)
        if number % 2 and unpaid:
            body = {
                "order_id": unpaid["order_id"],
                "amount": unpaid["total_amount"],
                "currency": "EUR",
                "method_token": "tok_ok",
            }
            self.payments.append(attempt := Attempt("/payments", body))
        else:
            to = f"mail-{self.run}-{number}@customers.example"
            body = {"user_id": self.users[0], "to": to, "subject": "Ledger", "body": "One line."}
            self.mails.append(attempt := Attempt("/notifications", body))
        return attempt

    def next_cancel(self, _number: int) -> Attempt | None:
        """The load's next cancel: of the oldest payment whose order none was tried on."""
        tried = {attempt.path for attempt in self.cancels}
        paths = (f"/orders/{payment.body['order_id']}" for payment in self.payments if payment.acknowledged)
        path = next((path for path in paths if path not in tried), None)
        if path is None:
            return None
        self.cancels.append(attempt := Attempt(path, method="DELETE"))
        return attempt

    async def _settle(self) -> None:
        """Repeats whatever has no sure answer under its key, sixteen at a time, until all have one."""
        deadline = time.monotonic() + 120
        gate = asyncio.Semaphore(16)

        async def once(attempt: Attempt) -> None:
            async with gate:
                await send(http, self.gateway, attempt)

        async with aiohttp.ClientSession() as http:
            while open_ones := self._open_ones():
                assert time.monotonic() < deadline, f"{len(open_ones)} could not be settled, the first: {open_ones[0]}"
                await asyncio.gather(*(once(attempt) for attempt in open_ones))

    async def _balance(self) -> None:
        async with aiohttp.ClientSession() as http:
            rows = await self._rows(http)
            acknowledged = {a.answer["order_id"]: a for a in self.orders if a.acknowledged}
            assert set(rows) - set(acknowledged) == set(), "orders that nobody was promised"
            assert set(acknowledged) - set(rows) == set(), "acknowledged orders that are lost"
            async with http.get(f"{self.gateway}/api/v1/products/{self.product}", headers=FRESH) as answer:
                assert answer.status == 200, await answer.text()
                left = (await answer.json())["stock"]
            kept = [row["quantity"] for row in rows.values() if row["status"] != "CANCELLED"]
            assert left == STOCK - sum(kept), "stock and orders disagree"
            cancelled = {a.answer["order_id"] for a in self.cancels if a.acknowledged}
            assert {key for key, row in rows.items() if row["status"] == "CANCELLED"} == cancelled, "cancels disagree"
            await self._until_effects(http)

    async def _rows(self, http: aiohttp.ClientSession) -> dict[str, dict[str, Any]]:
        """Every order of the ledger's users, from the primary."""
        rows: dict[str, dict[str, Any]] = {}
        for user in self.users:
            cursor = ""
            while True:
                url = f"{self.gateway}/api/v1/users/{user}/orders?limit=100{cursor}"
                async with http.get(url, headers=FRESH) as answer:
                    assert answer.status == 200, await answer.text()
                    page = await answer.json()
                rows |= {row["order_id"]: row for row in page["items"]}
                if not page["next_cursor"]:
                    break
                cursor = f"&cursor={page['next_cursor']}"
        return rows

    async def _until_effects(self, http: aiohttp.ClientSession) -> None:
        """Waits until each accepted task had its effect, then asserts that none had two."""
        deadline = time.monotonic() + 180
        missing = await self._missing_effects(http)
        while missing and time.monotonic() < deadline:
            await asyncio.sleep(1)
            missing = await self._missing_effects(http)
        assert not missing, f"accepted tasks without an effect: {missing[:5]} ({len(missing)})"
        for mail in (a for a in self.mails if a.acknowledged):
            ids = await self._message_ids(http, mail)
            assert len(ids) == 1, f"one mail under two Message-IDs: {ids}"
        rows, charges = await self._rows(http), await self._charges(http)
        amounts = [(charge["order_id"], Decimal(charge["amount"])) for charge in charges]
        for payment in (a for a in self.payments if a.acknowledged):
            charge = (payment.body["order_id"], Decimal(payment.body["amount"]))
            assert amounts.count(charge) == 1, f"not charged exactly once: {payment.body}"
        kept = sum(Decimal(charge["amount"]) for charge in charges if not charge["refunded"])
        paid = sum(Decimal(row["total_amount"]) for row in rows.values() if row["status"] == "PAID")
        assert kept == paid, "charges minus refunds are not what the orders were paid"

    async def _missing_effects(self, http: aiohttp.ClientSession) -> list[str]:
        rows, charges = await self._rows(http), await self._charges(http)
        refunded = {charge["order_id"] for charge in charges if charge["refunded"]}
        paid = {key for key, row in rows.items() if row["status"] == "PAID"}
        cancelled = {key for key, row in rows.items() if row["status"] == "CANCELLED"}
        payments = {a.body["order_id"] for a in self.payments if a.acknowledged}
        missing = [f"payment of {key}" for key in payments - paid - cancelled]
        missing += [f"refund of {key}" for key in cancelled - refunded]
        for mail in (a for a in self.mails if a.acknowledged and a.key not in self._delivered):
            if await self._message_ids(http, mail):
                self._delivered.add(mail.key)
            else:
                missing.append(mail.body["to"])
        return missing

    async def _message_ids(self, http: aiohttp.ClientSession, mail: Attempt) -> set[str]:
        async with http.get(f"{self.sink}/messages", params={"to": mail.body["to"]}) as answer:
            return {message["message_id"] for message in await answer.json()}

    async def _charges(self, http: aiohttp.ClientSession) -> list[dict[str, Any]]:
        """The stub's charges of the ledger's orders: `{order_id, amount, refunded, …}`."""
        ours = {attempt.answer["order_id"] for attempt in self.orders if attempt.acknowledged}
        async with http.get(f"{self.stub}/charges") as answer:
            return [charge for charge in await answer.json() if charge["order_id"] in ours]


class _Load:
    """An open-loop load in a thread with its own event loop; bounded to 400 requests in flight."""

    def __init__(self, ledger: Ledger, orders_per_second: float, tasks_per_second: float) -> None:
        self._ledger = ledger
        self._rates = (
            (ledger.next_order, orders_per_second),
            (ledger.next_task, tasks_per_second),
            (ledger.next_cancel, tasks_per_second * CANCELS_PER_TASK),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._answered: list[float] = []

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive(), "the load does not stop"

    def longest_gap(self) -> float:
        """Seconds between two acknowledged orders, at the most."""
        times = sorted(self._answered)
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(limit=400)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as group:
            for make, rate in self._rates:
                if rate:
                    group.create_task(self._pace(http, make, rate))

    async def _pace(self, http: aiohttp.ClientSession, make: Any, rate: float) -> None:
        gate = asyncio.Semaphore(400)
        started, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while not self._stop.is_set():
                await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
                await gate.acquire()
                group.create_task(self._one(http, make(number), gate))
                number += 1

    async def _one(self, http: aiohttp.ClientSession, attempt: Attempt | None, gate: asyncio.Semaphore) -> None:
        try:
            if attempt is None:
                return
            await send(http, self._ledger.gateway, attempt)
            if attempt.acknowledged and "task_id" in attempt.answer:
                await ask_for_task(http, self._ledger.gateway, attempt)
            if attempt.acknowledged and attempt.path == "/orders":
                self._answered.append(time.monotonic())
        finally:
            gate.release()
