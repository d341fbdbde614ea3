"""SQL of the write API, on one open transaction.

Locks are taken in one order everywhere, worker included: idempotency or inbox row, order, payment, product, the
user's list. Every row is locked by `FOR UPDATE` before a decision is made on it. A group of orders is the exception:
its keys come last (`group_rows`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from hcs_services.database.connection import Connection
from hcs_services.database.errors import Meaning, meaning
from hcs_services.database.many_rows import marks
from hcs_services.database.versions import clock_version
from hcs_services.identifiers import slot_of

Row = Mapping[str, Any]


class Repository(Protocol):
    """What the service asks of the transaction it is in."""

    async def insert_product(self, product: Row) -> bool:
        """Add a product; False if its id exists."""

    async def lock_product(self, product_id: str) -> dict[str, Any] | None:
        """The product's row, locked until the end of the transaction."""

    async def change_stock(self, product_id: str, by: int, version: int) -> bool:
        """Add `by` (negative: take) to the stock; False, and nothing done, if it would be negative."""

    async def insert_order(self, order: Row) -> bool:
        """Add an order; False if its id exists."""

    async def lock_order(self, order_id: int) -> dict[str, Any] | None:
        """The order's row, locked until the end of the transaction."""

    async def set_status(self, order_id: int, status: str, at: datetime, version: int) -> None:
        """Change a locked order."""

    async def charge_of(self, order_id: int) -> str | None:
        """The provider's charge of a locked order that was charged and not refunded."""

    async def bump_list(self, user_id: str, now: datetime) -> int:
        """A new generation of the user's list of orders; returns it."""

    async def add_to_outbox(self, kind: str, payload: Mapping[str, Any], owner: str, now: datetime) -> None:
        """Promise a cache refresh, a task or a refund with this transaction."""


class MySqlRepository:
    """The Repository over a connection within a transaction."""

    def __init__(self, tx: Connection) -> None:
        self._tx = tx

    async def insert_product(self, product: Row) -> bool:
        """Add a product; False if its id exists."""
        return await self._insert("products", product)

    async def lock_product(self, product_id: str) -> dict[str, Any] | None:
        """The product's row, locked until the end of the transaction."""
        return await self._tx.fetch_one(
            "SELECT product_id, name, price, stock, ver FROM products WHERE product_id = %s FOR UPDATE", (product_id,)
        )

    async def change_stock(self, product_id: str, by: int, version: int) -> bool:
        """Add `by` (negative: take) to the stock; False, and nothing done, if it would be negative."""
        if by >= 0:
            sql = "UPDATE products SET stock = stock + %s, ver = %s WHERE product_id = %s"
            return await self._tx.execute(sql, (by, version, product_id)) == 1
        sql = "UPDATE products SET stock = stock - %s, ver = %s WHERE product_id = %s AND stock >= %s"
        return await self._tx.execute(sql, (-by, version, product_id, -by)) == 1

    async def insert_order(self, order: Row) -> bool:
        """Add an order; False if its id exists."""
        return await self._insert("orders", order)

    async def lock_order(self, order_id: int) -> dict[str, Any] | None:
        """The order's row, locked until the end of the transaction."""
        return await self._tx.fetch_one(
            "SELECT order_id, user_id, product_id, quantity, total_amount, status, created_at, updated_at, ver"
            " FROM orders WHERE order_id = %s FOR UPDATE",
            (order_id,),
        )

    async def set_status(self, order_id: int, status: str, at: datetime, version: int) -> None:
        """Change a locked order."""
        await self._tx.execute(
            "UPDATE orders SET status = %s, updated_at = %s, ver = %s WHERE order_id = %s",
            (status, at.replace(tzinfo=None), version, order_id),
        )

    async def charge_of(self, order_id: int) -> str | None:
        """The provider's charge of a locked order that was charged and not refunded."""
        row = await self._tx.fetch_one(
            "SELECT charge_id FROM payments WHERE order_id = %s AND status = 'charged' FOR UPDATE", (order_id,)
        )
        return row["charge_id"] if row else None

    async def bump_list(self, user_id: str, now: datetime) -> int:
        """A new generation of the user's list of orders; returns it."""
        clock = clock_version(now)
        await self._tx.execute(
            "INSERT INTO user_lists (user_id, slot, ver) VALUES (%s, %s, %s)"
            " ON DUPLICATE KEY UPDATE ver = GREATEST(ver + 1, %s)",
            (user_id, slot_of(user_id), clock, clock),
        )
        row = await self._tx.fetch_one("SELECT ver FROM user_lists WHERE user_id = %s", (user_id,))
        assert row is not None
        return int(row["ver"])

    async def add_to_outbox(self, kind: str, payload: Mapping[str, Any], owner: str, now: datetime) -> None:
        """Promise a cache refresh, a task or a refund with this transaction."""
        await self._tx.execute(
            "INSERT INTO outbox (kind, payload, created_at, slot, ver) VALUES (%s, %s, %s, %s, %s)",
            (kind, json.dumps(dict(payload)), now.replace(tzinfo=None), slot_of(owner), clock_version(now)),
        )

    async def _insert(self, table: str, row: Row) -> bool:
        try:
            sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks(len(row))})"  # noqa: S608 - names are ours
            await self._tx.execute(sql, tuple(row.values()))
        except Exception as error:
            if meaning(error) is Meaning.DUPLICATE:
                return False  # the statement alone is undone, the transaction goes on
            raise
        return True


def product_row(product_id: str, name: str, price: Decimal, stock: int, version: int) -> dict[str, Any]:
    """A new row of `products`; its slot is its own, products have no user."""
    return {
        "product_id": product_id,
        "name": name,
        "price": price,
        "stock": stock,
        "slot": slot_of(product_id),
        "ver": version,
    }
