"""A client that writes down every answer, and the sums that must hold once it has stopped.

Acknowledged (2xx) must be there, refused (4xx) must not, and whatever is neither (a 5xx, a time-out, a reset) is unknown
and settled by sending the same idempotency key again; a 500 is a bug, whoever answers it, and so is an acknowledged order
that is unknown to a reader with its token. Some of the paid orders are cancelled: their stock and their money must come
back. Effects are counted where they happen: mails at the sink (each
order's own too), charges and refunds at the payment stub, syncs in the object store, reports as their results, stock and
orders in the primary's own answers.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
from tests.cluster.attempts import FRESH, Attempt, send
from tests.cluster.balance import Balance
from tests.cluster.kubectl import until
from tests.cluster.open_loop import OpenLoop
from tests.cluster.outside import Outside
from tests.slack import SLACK

STOCK = 1_000_000
USERS, PRODUCTS = 10, 8
PRICE = Decimal("2.50")
CANCELS_PER_TASK = 0.1  # nearly every other task is a payment: a fifth of the paid orders is cancelled
REPORT, SYNC, OF_TASKS = 6, 16, 20  # which of twenty tasks they are
LOOKED_BACK = timedelta(seconds=5)  # by a sync


class Ledger:
    """The record of a load of orders and tasks against one stack."""

    def __init__(self, gateway: str, outside: Outside) -> None:
        self.gateway, self.outside = gateway, outside
        self.run = uuid.uuid4().hex[:8]
        self.products = [f"ledger-{self.run}-{number}" for number in range(PRODUCTS)]
        self.domain = f"{self.run}.example"  # of the mails' recipients
        self.users = [f"u-{self.run}-{number}" for number in range(USERS)]
        self.orders: list[Attempt] = []
        self.mails: list[Attempt] = []
        self.payments: list[Attempt] = []
        self.cancels: list[Attempt] = []
        self.token = "tok_ok"  # of further payments, for the stub
        self.exports: list[Attempt] = []
        """Reports and syncs: tasks whose effect is their result."""
        self._exported: set[str] = set()
        self.answered: list[float] = []
        """When orders were acknowledged, in seconds of the monotonic clock."""
        self._calm = 0  # orders acknowledged when the last fault had ended

    @contextmanager
    def trickle(
        self, orders_per_second: float = 20, tasks_per_second: float = 5, enough: int = 200
    ) -> Iterator[Ledger]:
        """Sends a steady load from a thread of its own while the body runs; so many acknowledged before and after it."""
        asyncio.run(self._open_shop())
        rates = (
            (self.next_order, orders_per_second),
            (self.next_task, tasks_per_second),
            (self.next_cancel, tasks_per_second * CANCELS_PER_TASK),
        )
        with OpenLoop(self.gateway, rates, self.answered):
            self.until_acknowledged(enough, "before", 60)
            yield self
            self.until_acknowledged(enough, "after", 120)

    @contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Asserts that no order which was acknowledged until the block's end is lost, and prints the longest gap.

        With the hundred that a block waits for at its end, two of them have at least 200 acknowledged between them.
        """
        enough = self._calm + 100
        until(f"orders acknowledged before {what}", lambda: self._acknowledged(self.orders) >= enough, 60)
        since = time.monotonic()
        yield
        self._calm = self._acknowledged(self.orders)
        until("the orders can be read", lambda: asyncio.run(self._all_there()) or None, 60)
        print(f"    {what}: longest gap {self.longest_gap(since):.1f} s")

    async def _all_there(self) -> bool:
        """Whether they can be read; raises AssertionError if they can and one of them is lost."""
        acknowledged = {attempt.answer["order_id"] for attempt in self.orders if attempt.acknowledged}
        try:
            async with aiohttp.ClientSession(raise_for_status=True) as http:
                lost = acknowledged - set(await self._rows(http))
        except (aiohttp.ClientError, TimeoutError):
            return False
        assert not lost, f"acknowledged orders that are lost: {sorted(lost)[:5]} ({len(lost)})"
        return True

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
        unknown, refused = len(self._open_ones()), sum(attempt.refused for attempt in self._attempts())
        asyncio.run(self._settle())
        bugs = [bug for attempt in self._attempts() for bug in attempt.bugs]
        assert not bugs, f"answers that must never be: {bugs[:5]} ({len(bugs)})"
        asyncio.run(self._balance())
        kinds = (self.orders, self.mails, self.payments, self.cancels, self.exports)
        orders, mails, payments, cancels, exports = (self._acknowledged(kind) for kind in kinds)
        return Balance(orders, mails, payments, cancels, exports, refused, unknown, self.longest_gap())

    def _attempts(self) -> list[Attempt]:
        return [*self.orders, *self.mails, *self.payments, *self.cancels, *self.exports]

    def _open_ones(self) -> list[Attempt]:
        return [attempt for attempt in self._attempts() if not attempt.settled]

    @staticmethod
    def _acknowledged(attempts: list[Attempt]) -> int:
        return sum(attempt.acknowledged for attempt in attempts)

    async def _open_shop(self) -> None:
        async with aiohttp.ClientSession() as http:
            for product_id in self.products:
                body = {"product_id": product_id, "name": "Ledger", "price": str(PRICE), "stock": STOCK}
                await send(http, self.gateway, product := Attempt("/products", body))
                assert product.status == 201, product

    def next_order(self, number: int) -> Attempt:
        """The load's next order; quantities differ so that a sum of them means something."""
        product_id = self.products[number % PRODUCTS]
        body = {"user_id": self.users[number % USERS], "product_id": product_id, "quantity": 1 + number % 3}
        self.orders.append(attempt := Attempt("/orders", body))
        return attempt

    def next_task(self, number: int) -> Attempt:
        """The load's next task: a mail, a payment for an order that was acknowledged and not paid for yet, a report, or
        a sync where there is a store.
        """
        if number % OF_TASKS == REPORT or (number % OF_TASKS == SYNC and self.outside.bucket):
            return self._next_export(number)
        paid = {attempt.body["order_id"] for attempt in self.payments}
        unpaid = next((o.answer for o in self.orders if o.acknowledged and o.answer["order_id"] not in paid), None)
        if number % 2 and unpaid:
            body = {
                "order_id": unpaid["order_id"],
                "amount": unpaid["total_amount"],
                "currency": "EUR",
                "method_token": self.token,
            }
            self.payments.append(attempt := Attempt("/payments", body))
        else:
            to = f"mail-{number}@{self.domain}"
            body = {"user_id": self.users[0], "to": to, "subject": "Ledger", "body": "One line."}
            self.mails.append(attempt := Attempt("/notifications", body))
        return attempt

    def _next_export(self, number: int) -> Attempt:
        now = datetime.now(UTC)
        if number % OF_TASKS == SYNC:
            attempt = Attempt("/sync", {"since": (now - LOOKED_BACK).isoformat()})
        else:
            day = {"from": (now - timedelta(days=1)).isoformat(), "to": now.isoformat()}
            attempt = Attempt("/reports", {"user_id": self.users[number % USERS], **day})
        self.exports.append(attempt)
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
        deadline = time.monotonic() + 120 * SLACK
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
            sold = Counter[str]()
            for row in rows.values():
                sold[row["product_id"]] += row["quantity"] if row["status"] != "CANCELLED" else 0
            left = {product_id: await self._stock(http, product_id) for product_id in self.products}
            assert left == {it: STOCK - sold[it] for it in self.products}, "stock and orders disagree"
            cancelled = {a.answer["order_id"] for a in self.cancels if a.acknowledged}
            assert {key for key, row in rows.items() if row["status"] == "CANCELLED"} == cancelled, "cancels disagree"
            await self._until_effects(http)

    async def _stock(self, http: aiohttp.ClientSession, product_id: str) -> int:
        async with http.get(f"{self.gateway}/api/v1/products/{product_id}", headers=FRESH) as answer:
            assert answer.status == 200, await answer.text()
            return int((await answer.json())["stock"])

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
        deadline = time.monotonic() + 180 * SLACK
        missing = [""]
        while missing and (began := time.monotonic()) < deadline:
            missing = await self._missing_effects(http)
            await asyncio.sleep(time.monotonic() - began if missing else 0)  # a look is not half of the load
        assert not missing, f"accepted tasks without an effect: {missing[:5]} ({len(missing)})"
        mails = await self.outside.mails_to(http, self.domain) | await self.outside.confirmations(http, self.users)
        twice = {about: ids for about, ids in mails.items() if len(ids) > 1}
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
        delivered = await self.outside.mails_to(http, self.domain)
        missing += [a.body["to"] for a in self.mails if a.acknowledged and a.body["to"] not in delivered]
        confirmed = await self.outside.confirmations(http, self.users)
        missing += [f"confirmation of {key}" for key in set(rows) - set(confirmed)]
        for attempt in (a for a in self.exports if a.acknowledged and a.key not in self._exported):
            if await self._has_result(http, attempt.answer["task_id"]):
                self._exported.add(attempt.key)
            else:
                missing.append(f"result of {attempt.answer['task_id']} ({attempt.path})")
        return missing

    async def _has_result(self, http: aiohttp.ClientSession, task_id: str) -> bool:
        """Whether a task's result is there, and what a manifest tells of is in the store."""
        async with http.get(f"{self.gateway}/api/v1/tasks/{task_id}/result") as answer:
            if answer.status != 200 or answer.content_type != "application/json":
                return answer.status == 200
            manifest = await answer.json()
        assert self.outside.bucket, manifest
        return await self.outside.bucket.has(manifest["objects"])

    async def _charges(self, http: aiohttp.ClientSession) -> list[dict[str, Any]]:
        """The stub's charges of the ledger's orders: `{order_id, amount, refunded, …}`."""
        ours = {attempt.answer["order_id"] for attempt in self.orders if attempt.acknowledged}
        return [charge for charge in await self.outside.charges(http) if charge["order_id"] in ours]
