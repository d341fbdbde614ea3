"""The read API's statements. Each is a single one, so that row, list generation and heartbeat are one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from hcs_services.cache.entry import to_json
from hcs_services.database.many_rows import marks
from hcs_services.identifiers import MAX_ORDER_ID, public_order_id
from hcs_services.models import order_document, product_document
from hcs_services.read_api.sources import Query, Session, Snapshot

# the outer row is always there, so that a heartbeat comes along with "no such row"
_ORDER = """
SELECT h.beat_at, o.order_id, o.user_id, o.product_id, o.quantity, o.total_amount, o.status, o.created_at,
  o.updated_at, o.ver
FROM (SELECT 1) AS always LEFT JOIN heartbeat h ON h.id = 1 LEFT JOIN orders o ON o.order_id = %s"""
_PRODUCT = """
SELECT h.beat_at, p.product_id, p.name, p.price, p.stock, p.ver
FROM (SELECT 1) AS always LEFT JOIN heartbeat h ON h.id = 1 LEFT JOIN products p ON p.product_id = %s"""
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


def order(order_id: int) -> Query:
    """One order."""

    async def query(session: Session) -> Snapshot:
        row = await session.fetch_one(_ORDER, (order_id,))
        assert row is not None
        if row["order_id"] is None:
            return Snapshot(0, None, _as_of(row))
        return Snapshot(row["ver"], to_json(order_document(row)), _as_of(row))

    return query


def product(product_id: str) -> Query:
    """One product."""

    async def query(session: Session) -> Snapshot:
        row = await session.fetch_one(_PRODUCT, (product_id,))
        assert row is not None
        if row["product_id"] is None:
            return Snapshot(0, None, _as_of(row))
        return Snapshot(row["ver"], to_json(product_document(row)), _as_of(row))

    return query


def page(user_id: str, limit: int, after: int | None) -> Query:
    """One page of a user's orders, newest first, below the order id `after`; its version is the list's generation."""

    async def query(session: Session) -> Snapshot:
        below = MAX_ORDER_ID + 1 if after is None else after
        rows = await session.fetch_all(_PAGE, (user_id, user_id, below, limit + 1))
        found = [row for row in rows if row["order_id"] is not None]
        items = [order_document(row) for row in found[:limit]]
        more = len(found) > limit
        document = {"items": items, "next_cursor": items[-1]["order_id"] if more else None}
        return Snapshot(rows[0]["generation"] or 0, to_json(document), _as_of(rows[0]))

    return query


async def versions(session: Session, kind: str, ids: list[Any]) -> dict[str, int]:
    """The versions of these orders (`o`, ids as numbers) or products (`p`), by their public id."""
    rows = await session.fetch_all(_VERSIONS[kind].format(marks(len(ids))), ids) if ids else []
    return {public_order_id(row["id"]) if kind == "o" else row["id"]: row["ver"] for row in rows}


def _as_of(row: Mapping[str, Any]) -> float:
    """The snapshot's heartbeat; without one nothing is known of its age, so it counts as old."""
    return 0.0 if row["beat_at"] is None else float(row["beat_at"].replace(tzinfo=UTC).timestamp())
