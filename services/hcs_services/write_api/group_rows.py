"""SQL of a group of orders, on one open transaction: a statement for each table, whatever the group's size.

Rows are locked in the order of `repository`, each kind sorted by its key, so two groups never wait for each other in a
circle. The keys come last here, with their answers: whoever else holds one of them meets the group at a product's row,
or at the insert, and one of the two is then undone and done again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from hcs_services.database import many_rows
from hcs_services.database.connection import Connection
from hcs_services.database.many_rows import marks
from hcs_services.database.versions import clock_version
from hcs_services.identifiers import slot_of
from hcs_services.write_api.group_plan import Row, Taken

_ORDER = (
    "order_id",
    "user_id",
    "product_id",
    "quantity",
    "total_amount",
    "status",
    "created_at",
    "updated_at",
    "slot",
    "ver",
)


class StockMoved(Exception):
    """A locked product had less than its locked row said; cannot be, and would oversell if it were."""


async def lock_products(tx: Connection, product_ids: Sequence[str]) -> dict[str, Row]:
    """The products' rows by id, locked until the end of the transaction; those that are not there are left out."""
    if not product_ids:
        return {}
    rows = await tx.fetch_all(
        # FORCE INDEX: a scan of a small table would wait for products that nobody asked for
        "SELECT product_id, name, price, stock, ver FROM products FORCE INDEX (PRIMARY)"  # noqa: S608 - marks only
        f" WHERE product_id IN ({marks(len(product_ids))}) ORDER BY product_id FOR UPDATE",
        product_ids,
    )
    return {row["product_id"]: row for row in rows}


async def take_stock(tx: Connection, products: Sequence[Taken]) -> None:
    """Take from each of the locked products; raises StockMoved if one has too little: the transaction has to end."""
    each = " WHEN %s THEN %s" * len(products)
    quantities = [part for taken in products for part in (taken.row["product_id"], taken.quantity)]
    versions = [part for taken in products for part in (taken.row["product_id"], taken.row["ver"])]
    changed = await tx.execute(
        "UPDATE products FORCE INDEX (PRIMARY)"  # noqa: S608 - marks only
        f" SET stock = stock - CASE product_id{each} END, ver = CASE product_id{each} END"
        f" WHERE product_id IN ({marks(len(products))}) AND stock >= CASE product_id{each} END",
        (*quantities, *versions, *(taken.row["product_id"] for taken in products), *quantities),
    )
    if changed != len(products):
        raise StockMoved(f"{changed} of {len(products)} products had the stock that was read")


async def insert_orders(tx: Connection, orders: Sequence[Row]) -> None:
    """Add the orders; fails as a whole (1062) if one id exists."""
    await many_rows.insert(tx, "orders", _ORDER, ([order[name] for name in _ORDER] for order in orders))


async def bump_lists(tx: Connection, users: Sequence[str], now: datetime) -> dict[str, int]:
    """A new generation of each user's list; returns them by user."""
    clock = clock_version(now)
    rows = ((user, slot_of(user), clock) for user in users)
    await many_rows.insert(
        tx, "user_lists", ("user_id", "slot", "ver"), rows, f" ON DUPLICATE KEY UPDATE ver = GREATEST(ver + 1, {clock})"
    )
    found = await tx.fetch_all(
        f"SELECT user_id, ver FROM user_lists WHERE user_id IN ({marks(len(users))})",  # noqa: S608 - marks only
        users,
    )
    return {row["user_id"]: int(row["ver"]) for row in found}


async def add_to_outbox(tx: Connection, promises: Iterable[tuple[str, Mapping[str, Any], str]], now: datetime) -> None:
    """Promise what follows this transaction: (kind, payload, owner) each."""
    at, ver = now.replace(tzinfo=None), clock_version(now)
    rows = ((kind, json.dumps(dict(payload)), at, slot_of(owner), ver) for kind, payload, owner in promises)
    await many_rows.insert(tx, "outbox", ("kind", "payload", "created_at", "slot", "ver"), rows)
