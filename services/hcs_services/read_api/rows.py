"""The read API's statements. Each is a single one, so that rows, list generation and heartbeat are one snapshot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC
from typing import Any, NamedTuple

from hcs_services.cache.entry import order_key, product_key, to_json
from hcs_services.database.many_rows import marks
from hcs_services.identifiers import MAX_ORDER_ID, public_order_id
from hcs_services.models import order_document, product_document
from hcs_services.read_api.sources import Query, Session, Snapshot

# the outer row is always there, so that a heartbeat comes along with "no such row"
_ORDERS = """
SELECT h.beat_at, o.order_id, o.user_id, o.product_id, o.quantity, o.total_amount, o.status, o.created_at,
  o.updated_at, o.ver
FROM (SELECT 1) AS always LEFT JOIN heartbeat h ON h.id = 1 LEFT JOIN orders o ON o.order_id IN ({})"""
_PRODUCTS = """
SELECT h.beat_at, p.product_id, p.name, p.price, p.stock, p.ver
FROM (SELECT 1) AS always LEFT JOIN heartbeat h ON h.id = 1 LEFT JOIN products p ON p.product_id IN ({})"""
_PAGE = """
SELECT h.beat_at, l.ver AS generation, o.order_id, o.user_id, o.product_id, o.quantity, o.total_amount, o.status,
  o.created_at, o.updated_at, o.ver
FROM (SELECT 1) AS always LEFT JOIN heartbeat h ON h.id = 1 LEFT JOIN user_lists l ON l.user_id = %s
LEFT JOIN (SELECT * FROM orders WHERE user_id = %s AND order_id < %s ORDER BY order_id DESC LIMIT %s) AS o ON TRUE
ORDER BY o.order_id DESC"""
_VERSIONS = {
    "o": "SELECT order_id AS id, ver FROM orders WHERE order_id IN ({})",
    "p": "SELECT product_id AS id, ver FROM products WHERE product_id IN ({})",
}


Table = Callable[[Session, Sequence[Any]], Awaitable[list[Snapshot]]]
"""Reads the rows of these ids in one statement, and answers in their order."""


class Row(NamedTuple):
    """One row to read; `key` is where it is cached."""

    table: Table
    id: Any
    key: str


def order(order_id: int, public_id: str) -> Row:
    """One order."""
    return Row(orders, order_id, order_key(public_id))


def product(product_id: str) -> Row:
    """One product."""
    return Row(products, product_id, product_key(product_id))


async def orders(session: Session, ids: Sequence[int]) -> list[Snapshot]:
    """These orders."""
    found = await session.fetch_all(_ORDERS.format(marks(len(ids))), ids)
    return _snapshots(found, ids, "order_id", order_document)


async def products(session: Session, ids: Sequence[str]) -> list[Snapshot]:
    """These products."""
    found = await session.fetch_all(_PRODUCTS.format(marks(len(ids))), ids)
    return _snapshots(found, ids, "product_id", product_document)


def _snapshots(
    found: list[dict[str, Any]], ids: Sequence[Any], name: str, document: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> list[Snapshot]:
    as_of, by_id = _as_of(found[0]), {row[name]: row for row in found}
    rows = map(by_id.get, ids)
    absent = Snapshot(0, None, as_of)
    return [absent if row is None else Snapshot(row["ver"], to_json(document(row)), as_of) for row in rows]


def page(user_id: str, limit: int, after: int | None) -> Query:
    """One page of a user's orders, newest first, below the order id `after`; its version is the list's generation."""

    async def query(session: Session) -> list[Snapshot]:
        below = MAX_ORDER_ID + 1 if after is None else after
        rows = await session.fetch_all(_PAGE, (user_id, user_id, below, limit + 1))
        found = [row for row in rows if row["order_id"] is not None]
        items = [order_document(row) for row in found[:limit]]
        more = len(found) > limit
        document = {"items": items, "next_cursor": items[-1]["order_id"] if more else None}
        return [Snapshot(rows[0]["generation"] or 0, to_json(document), _as_of(rows[0]))]

    return query


async def versions(session: Session, kind: str, ids: list[Any]) -> dict[str, int]:
    """The versions of these orders (`o`, ids as numbers) or products (`p`), by their public id."""
    rows = await session.fetch_all(_VERSIONS[kind].format(marks(len(ids))), ids) if ids else []
    return {public_order_id(row["id"]) if kind == "o" else row["id"]: row["ver"] for row in rows}


def _as_of(row: Mapping[str, Any]) -> float:
    """The snapshot's heartbeat; without one nothing is known of its age, so it counts as old."""
    return 0.0 if row["beat_at"] is None else float(row["beat_at"].replace(tzinfo=UTC).timestamp())
