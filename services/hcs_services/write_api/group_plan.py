"""What becomes of each order of a group, and which rows that writes; pure.

The rule: as if the orders were placed one after the other in the order given, each in a transaction of its own. What
differs is only what nobody can have seen: a product that sells to several, and the list of a user who orders several
times, get one new version for the group.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from hcs_services import idempotency, models
from hcs_services.database.versions import next_version
from hcs_services.problem import Problem
from hcs_services.write_api import rules
from hcs_services.write_api.service import no_product, order_row

Row = Mapping[str, Any]
Known = idempotency.Stored | Problem | None


@dataclass(frozen=True, slots=True)
class Asked:
    """An order that somebody wants placed, under its key."""

    key: idempotency.Key
    order: models.NewOrder


@dataclass(frozen=True, slots=True)
class Repeat:
    """The key is that of an order earlier in the group: the same answer, as a replay."""

    of: int  # its place in the group


@dataclass(frozen=True, slots=True)
class Taken:
    """One product's change: `row` is its new state, `quantity` what the group takes of it."""

    row: Row
    quantity: int


Verdict = Row | Repeat | idempotency.Stored | Problem
"""A new row of `orders`; a replay of one in this group, or before it; a refusal."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A verdict for each order in turn; products and users that change, in the order in which they are locked."""

    verdicts: tuple[Verdict, ...]
    products: tuple[Taken, ...]
    users: tuple[str, ...]

    @property
    def orders(self) -> list[Row]:
        """The new rows, first come first."""
        return [verdict for verdict in self.verdicts if isinstance(verdict, Mapping)]


OrderIds = Callable[[str, datetime, Container[int]], int]
"""Where new ids come from, as `WriteService.free_order_id`: user, time, ids that are taken."""


def products_needed(asked: Sequence[Asked], known: Sequence[Known]) -> list[str]:
    """Which products' rows the plan asks for, in the order in which they are locked."""
    return sorted({each.order.product_id for each, found in zip(asked, known, strict=True) if found is None})


def plan(
    asked: Sequence[Asked], known: Sequence[Known], products: Mapping[str, Row], now: datetime, order_id: OrderIds
) -> Plan:
    """Place the orders as far as keys, products and stock allow.

    `known` is what is stored under each one's key, `products` are the locked rows by id.
    """
    group = _Group(products, now, order_id)
    verdicts = [group.verdict(each, found) for each, found in zip(asked, known, strict=True)]
    return Plan(tuple(verdicts), group.changed_products(), tuple(sorted(group.users)))


class _Group:
    """The group as far as it has been placed."""

    def __init__(self, products: Mapping[str, Row], now: datetime, order_id: OrderIds) -> None:
        self._products = products
        self._now = now
        self._order_id = order_id
        self._taken = dict.fromkeys(products, 0)
        self._ids: set[int] = set()
        self._first: dict[tuple[str, str, str], tuple[int, bytes]] = {}
        self._seen = 0
        self.users: set[str] = set()

    def verdict(self, asked: Asked, known: Known) -> Verdict:
        """What becomes of the next one."""
        place = self._seen
        self._seen += 1
        if known is not None:
            return known
        if (first := self._first.get(asked.key.primary_key)) is not None:
            return Repeat(first[0]) if first[1] == asked.key.body_hash else idempotency.reused()
        try:
            row = self._place(asked.order)
        except Problem as refusal:
            return refusal
        self._first[asked.key.primary_key] = (place, asked.key.body_hash)
        return row

    def changed_products(self) -> tuple[Taken, ...]:
        """The products that something was taken of."""
        return tuple(
            Taken(
                {**row, "stock": row["stock"] - self._taken[name], "ver": next_version(row["ver"], self._now)},
                self._taken[name],
            )
            for name, row in sorted(self._products.items())
            if self._taken[name]
        )

    def _place(self, body: models.NewOrder) -> Row:
        product = self._products.get(body.product_id)
        if product is None:
            raise no_product(body.product_id)
        amount: Decimal = rules.total(product["price"], body.quantity, body.total_amount)
        rules.check_stock(product["stock"] - self._taken[body.product_id], body.quantity)
        row = order_row(body, amount, self._now)
        row["order_id"] = self._order_id(body.user_id, self._now, self._ids)
        self._ids.add(row["order_id"])
        self._taken[body.product_id] += body.quantity
        self.users.add(body.user_id)
        return row
