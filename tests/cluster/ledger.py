"""A client that writes down every answer, and the sums that must hold once it has stopped.

Acknowledged (2xx) must be there, refused (4xx) must not, and whatever is neither (a 5xx, a time-out, a reset) is unknown
and settled by sending the same idempotency key again; a 500 is a bug, whoever answers it. Some of the paid orders are
cancelled: their stock and their money must come back. Effects are counted where they happen: mails at the sink, charges
and refunds at the payment stub, stock and orders in the primary's own answers.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import aiohttp
from tests.cluster.attempts import FRESH, Attempt, send
from tests.cluster.balance import Balance
from tests.cluster.kubectl import until
from tests.cluster.open_loop import OpenLoop

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
        self.domain = f"{self.run}.example"  # of the mails' recipients
        self.users = [f"u-{self.run}-{number}" for number in range(USERS)]
        self.orders: list[Attempt] = []
        self.mails: list[Attempt] = []
        self.payments: list[Attempt] = []
        self.cancels: list[Attempt] = []
        self.answered: list[float] = []
        """When orders were acknowledged, in seconds of the monotonic clock."""

    @contextmanager
    def trickle(self, orders_per_second: float = 20, tasks_per_second: float = 5) -> Iterator[Ledger]:
        """Sends a steady load from a thread of its own while the body runs; at least 200 acknowledged before and after it."""
        asyncio.run(self._open_shop())
        rates = (
            (self.next_order, orders_per_second),
            (self.next_task, tasks_per_second),
            (self.next_cancel, tasks_per_second * CANCELS_PER_TASK),
        )
        with OpenLoop(self.gateway, rates, self.answered):
            self.until_acknowledged(200, "before", 60)
            yield self
            self.until_acknowledged(200, "after", 120)

    @contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Prints what the block has cost the load: the longest gap, and how many writes have no sure answer yet."""
        since, open_before = time.monotonic(), len(self._open_ones())
        yield
        unsure = len(self._open_ones()) - open_before
        print(f"    {what}: longest gap {self.longest_gap(since):.1f} s, {unsure} without a sure answer")

    def longest_gap(self, since: float = 0.0) -> float:
        """Seconds between two acknowledged orders, at the most, of those that ended after `since`."""
        pairs = itertools.pairwise(sorted(self.answered))
        return max((later - earlier for earlier, later in pairs if later > since), default=0.0)

    def until_acknowledged(self, more: int, when: str, seconds: float) -> None:
        """Waits for so many orders that are acknowledged from now on."""
        mark = self._acknowledged(self.orders)
        until(f"{more} orders acknowledged {when}", lambda: self._acknowledged(self.orders) >= mark + more, seconds)

    def settle_and_balance(self) -> Balance:
        """Settles the unknown by their keys, then asserts every sum."""
        unknown = len(self._open_ones())
        asyncio.run(self._settle())
        bugs = [bug for attempt in self._attempts() for bug in attempt.bugs]
        assert not bugs, f"answers of 500: {bugs[:5]} ({len(bugs)})"
        asyncio.run(self._balance())
        kinds = (self.orders, self.mails, self.payments, self.cancels)
        orders, mails, payments, cancels = (self._acknowledged(kind) for kind in kinds)
        return Balance(orders, mails, payments, cancels, unknown, self.longest_gap())

    def _attempts(self) -> list[Attempt]:
        return [*self.orders, *self.mails, *self.payments, *self.cancels]

    def _open_ones(self) -> list[Attempt]:
        return [attempt for attempt in self._attempts() if not attempt.settled]

    @staticmethod
    def _acknowledged(attempts: list[Attempt]) -> int:
        return sum(attempt.acknowledged for attempt in attempts)

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
            to = f"mail-{number}@{self.domain}"
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
        pages = await asyncio.gather(*(self._rows_of(http, user) for user in self.users))
        return {row["order_id"]: row for rows in pages for row in rows}

    async def _rows_of(self, http: aiohttp.ClientSession, user: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        cursor = ""
        while True:
            url = f"{self.gateway}/api/v1/users/{user}/orders?limit=100{cursor}"
            async with http.get(url, headers=FRESH) as answer:
                assert answer.status == 200, await answer.text()
                page = await answer.json()
            rows += page["items"]
            if not page["next_cursor"]:
                return rows
            cursor = f"&cursor={page['next_cursor']}"

    async def _until_effects(self, http: aiohttp.ClientSession) -> None:
        """Waits until each accepted task had its effect, then asserts that none had two."""
        deadline = time.monotonic() + 180
        missing = await self._missing_effects(http)
        while missing and time.monotonic() < deadline:
            await asyncio.sleep(1)
            missing = await self._missing_effects(http)
        assert not missing, f"accepted tasks without an effect: {missing[:5]} ({len(missing)})"
        twice = {to: ids for to, ids in (await self._delivered(http)).items() if len(ids) > 1}
        assert not twice, f"one mail under two Message-IDs: {twice}"
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
        delivered = await self._delivered(http)
        return missing + [a.body["to"] for a in self.mails if a.acknowledged and a.body["to"] not in delivered]

    async def _delivered(self, http: aiohttp.ClientSession) -> dict[str, set[str]]:
        """The Message-IDs that the sink has for each recipient of the ledger's mails."""
        found: dict[str, set[str]] = defaultdict(set)
        async with http.get(f"{self.sink}/messages", params={"domain": self.domain}) as answer:
            for message in await answer.json():
                found[message["to"]].add(message["message_id"])
        return found

    async def _charges(self, http: aiohttp.ClientSession) -> list[dict[str, Any]]:
        """The stub's charges of the ledger's orders: `{order_id, amount, refunded, …}`."""
        ours = {attempt.answer["order_id"] for attempt in self.orders if attempt.acknowledged}
        async with http.get(f"{self.stub}/charges") as answer:
            return [charge for charge in await answer.json() if charge["order_id"] in ours]
