"""A client that writes down every answer, and counts once it has stopped.

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
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import aiohttp
from tests.cluster import sums
from tests.cluster.attempts import Attempt, oldest_acknowledged, send, send_until_settled
from tests.cluster.balance import Balance
from tests.cluster.kubectl import until
from tests.cluster.looks import Looks
from tests.cluster.open_loop import OpenLoop
from tests.cluster.outside import Outside
from tests.cluster.sums import STOCK, Seen, Sent, acknowledged
from tests.slack import SLACK

USERS, PRODUCTS = 10, 8
ENOUGH = 200  # orders before a fault and after it
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
        self.sent = Sent()
        self.token = "tok_ok"  # of further payments, for the stub
        self._unpaid, self._kept = (
            deque[Attempt](),
            deque[Attempt](),
        )  # orders, and payments that no cancel was tried on
        self.answered: list[float] = []
        """When the load's orders were acknowledged, in seconds of the monotonic clock."""
        self._calm = 0  # orders acknowledged when the last fault had ended
        self._found: set[str] = set()  # orders that were there then
        self._load: OpenLoop
        self._looks = Looks(gateway, outside, self.users, self.domain, self.sent)

    @contextmanager
    def trickle(self, orders_per_second: float = 20, tasks_per_second: float = 5) -> Iterator[Ledger]:
        """Sends a steady load from a thread of its own while the body runs. Before and after it more orders are sent, as
        fast as they go, until enough are acknowledged.
        """
        asyncio.run(self._open_shop())
        rates = (
            (self.next_order, orders_per_second),
            (self.next_task, tasks_per_second),
            (self.next_cancel, tasks_per_second * CANCELS_PER_TASK),
        )
        with OpenLoop(self.gateway, rates, self.answered) as self._load:
            self._hurry("before", 60)
            yield self
            self._hurry("after", 120)

    @contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Asserts that no order which was acknowledged until the block's end, and after the last block's, is lost, and
        prints the longest gap: all of them are read when the load has ended.

        With the hundred that a block waits for at its end, two of them have at least 200 acknowledged between them. They
        come at the steady load's rate, so that a member which has just come back has had a moment.
        """
        enough = self._calm + 100
        until(f"orders acknowledged before {what}", lambda: self._orders() >= enough, 60)
        since = time.monotonic()
        yield
        self._calm = self._orders()
        until("the orders can be read", lambda: asyncio.run(self._all_there()) or None, 60)
        print(f"    {what}: longest gap {self.longest_gap(since):.1f} s")

    async def _all_there(self) -> bool:
        """Whether they can be read; raises AssertionError if they can and one of them is lost."""
        new = [order for order in acknowledged(self.sent.orders) if order.answer["order_id"] not in self._found]
        try:
            lost = await self._looks.absent(new)
        except (aiohttp.ClientError, TimeoutError):
            return False
        assert not lost, f"acknowledged orders that are lost: {sorted(lost)[:5]} ({len(lost)})"
        self._found |= {order.answer["order_id"] for order in new}
        return True

    def longest_gap(self, since: float = 0.0) -> float:
        """Seconds between two acknowledged orders, at the most, of those that ended after `since`."""
        pairs = itertools.pairwise(sorted(self.answered))
        return max((later - earlier for earlier, later in pairs if later > since), default=0.0)

    def until_acknowledged(self, more: int, when: str, seconds: float) -> None:
        """Waits for so many orders of the steady load that are acknowledged from now on."""
        mark = self._orders()
        until(f"{more} orders acknowledged {when}", lambda: self._orders() >= mark + more, seconds)

    def _hurry(self, when: str, seconds: float) -> None:
        """Has enough orders acknowledged from now on, as fast as they go: the steady load's and more."""
        enough = self._orders() + ENOUGH
        self._load.hurry(self.next_order, lambda: self._orders() >= enough, seconds * SLACK)
        until(f"{ENOUGH} orders acknowledged {when}", lambda: self._orders() >= enough, 1)

    def settle_and_balance(self) -> Balance:
        """Settles the unknown by their keys, then asserts every sum."""
        balance = self.settle_and_count()
        assert not balance.wrong, f"{len(balance.wrong)} wrong, the first: {balance.wrong[:5]}"
        return balance

    def settle_and_count(self) -> Balance:
        """Settles the unknown by their keys, then counts what is lost, what is doubled, and what else is wrong."""
        sent = self.sent
        unknown, refused = len(self._open_ones()), sum(attempt.refused for attempt in sent.all())
        asyncio.run(self._settle())
        seen, stock = asyncio.run(self._counted())
        lost, doubled = sums.lost(sent, seen), sums.doubled(sent, seen)
        wrong = [*(f"lost: {it}" for it in lost), *(f"doubled: {it}" for it in doubled)]
        return Balance(
            orders=len(acknowledged(sent.orders)),
            mails=len(acknowledged(sent.mails)),
            payments=len(acknowledged(sent.payments)),
            cancels=len(acknowledged(sent.cancels)),
            exports=len(acknowledged(sent.exports)),
            refused=refused,
            unknown=unknown,
            reads_failed=sum(attempt.reads_failed for attempt in sent.all()),
            lost=len(lost),
            doubled=len(doubled),
            wrong=(*wrong, *sums.disagreeing(sent, seen, stock)),
            gap=self.longest_gap(),
        )

    def _open_ones(self) -> list[Attempt]:
        return [attempt for attempt in self.sent.all() if not attempt.settled]

    def _orders(self) -> int:
        """How many of the load's orders are acknowledged so far."""
        return len(self.answered)

    async def _open_shop(self) -> None:
        async with aiohttp.ClientSession() as http:
            for product_id in self.products:
                body = {"product_id": product_id, "name": "Ledger", "price": str(PRICE), "stock": STOCK}
                product = Attempt("/products", body)
                await send_until_settled(http, self.gateway, product)  # a hand-over may be under way
                assert product.status == 201, product

    def next_order(self, number: int) -> Attempt:
        """The load's next order; quantities differ so that a sum of them means something."""
        product_id = self.products[number % PRODUCTS]
        body = {"user_id": self.users[number % USERS], "product_id": product_id, "quantity": 1 + number % 3}
        self.sent.orders.append(attempt := Attempt("/orders", body))
        self._unpaid.append(attempt)
        return attempt

    def next_task(self, number: int) -> Attempt:
        """The load's next task: a mail, a payment for an order that was acknowledged and not paid for yet, a report, or
        a sync where there is a store.
        """
        if number % OF_TASKS == REPORT or (number % OF_TASKS == SYNC and self.outside.bucket):
            return self._next_export(number)
        if number % 2 and (order := oldest_acknowledged(self._unpaid)):
            unpaid = order.answer
            body = {
                "order_id": unpaid["order_id"],
                "amount": unpaid["total_amount"],
                "currency": "EUR",
                "method_token": self.token,
            }
            self.sent.payments.append(attempt := Attempt("/payments", body))
            self._kept.append(attempt)
        else:
            to = f"mail-{number}@{self.domain}"
            body = {"user_id": self.users[0], "to": to, "subject": "Ledger", "body": "One line."}
            self.sent.mails.append(attempt := Attempt("/notifications", body))
        return attempt

    def _next_export(self, number: int) -> Attempt:
        now = datetime.now(UTC)
        if number % OF_TASKS == SYNC:
            attempt = Attempt("/sync", {"since": (now - LOOKED_BACK).isoformat()})
        else:
            day = {"from": (now - timedelta(days=1)).isoformat(), "to": now.isoformat()}
            attempt = Attempt("/reports", {"user_id": self.users[number % USERS], **day})
        self.sent.exports.append(attempt)
        return attempt

    def next_cancel(self, _number: int) -> Attempt | None:
        """The load's next cancel: of the oldest payment whose order none was tried on."""
        payment = oldest_acknowledged(self._kept)
        if payment is None:
            return None
        self.sent.cancels.append(attempt := Attempt(f"/orders/{payment.body['order_id']}", method="DELETE"))
        return attempt

    async def _settle(self) -> None:
        """Repeats whatever has no sure answer under its key, sixteen at a time, until all have one or it takes too long."""
        deadline = time.monotonic() + 120 * SLACK
        gate = asyncio.Semaphore(16)

        async def once(attempt: Attempt) -> None:
            async with gate:
                await send(http, self.gateway, attempt)

        async with aiohttp.ClientSession() as http:
            while (open_ones := self._open_ones()) and time.monotonic() < deadline:
                await asyncio.gather(*(once(attempt) for attempt in open_ones))

    async def _counted(self) -> tuple[Seen, dict[str, int]]:
        """What is there once each accepted task has had its effect, or all the time that it may take, and the stock."""
        deadline = time.monotonic() + 180 * SLACK

        def waits() -> bool:
            return bool(sums.without_effect(self.sent, seen)) and time.monotonic() < deadline

        async with aiohttp.ClientSession() as http:
            while True:
                seen = await self._looks.at_all(http)
                if not waits():
                    return seen, {it: await self._looks.stock(http, it) for it in self.products}
                while waits():
                    await asyncio.sleep(1)
                    seen = await self._looks.at_missing(http, seen)
