"""The outbox's rows and what becomes of them: a cache refresh, a task, a refund. Each may happen twice, none is lost.

Payloads: cache `{"orders": [public ids], "products": [ids], "users": [ids]}`, task `{task_id, type, payload,
created_at}`, refund `{order_id, charge_id}`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog
from prometheus_client import Counter

from hcs_services.cache.entry import Change, list_change, order_change, product_change
from hcs_services.database.connection import Connection
from hcs_services.database.many_rows import marks
from hcs_services.identifiers import parse_order_id
from hcs_services.models import order_document, product_document
from hcs_services.queue.message import ATTEMPT_HEADER, TaskMessage
from hcs_services.queue.publisher import NotAccepted
from hcs_services.queue.topology import queue_for
from hcs_services.write_api.unit import Cache

RELAYED = Counter(
    "hcs_outbox_relayed_total", "Rows of the outbox that are done, by kind: cache, task or refund.", ["kind"]
)
REFUSED = Counter(
    "hcs_outbox_refused_total", "Tries of outbox rows that failed; the rows stay for a later one.", ["kind"]
)
CACHE_KINDS = ("cache",)
TASK_KINDS = ("task", "refund")

_log = structlog.get_logger(__name__)


class Publishing(Protocol):
    """The part of `queue.Publisher` used here."""

    async def publish(
        self,
        queue: str,
        body: bytes,
        headers: Mapping[str, Any] | None = None,
        timeout: float = 5.0,  # noqa: ASYNC109 - the publisher's own signature
    ) -> None:
        """Publish; returns after the broker's confirm, raises NotAccepted."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One promise of a committed transaction."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    created_at: datetime


async def take(tx: Connection, kinds: Sequence[str], limit: int) -> list[OutboxRow]:
    """The oldest rows of these kinds that no other relay has locked; locked until the transaction ends."""
    rows = await tx.fetch_all(
        f"SELECT id, kind, payload, created_at FROM outbox WHERE kind IN ({marks(len(kinds))})"  # noqa: S608 - marks only
        " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
        (*kinds, limit),
    )
    return [OutboxRow(row["id"], row["kind"], json.loads(row["payload"]), row["created_at"]) for row in rows]


async def settle(tx: Connection, taken: Iterable[OutboxRow], done: set[int]) -> None:
    """Delete what is done; count a try of what is not."""
    left = [row.id for row in taken if row.id not in done]
    for row in taken:
        (RELAYED if row.id in done else REFUSED).labels(row.kind).inc()
    for sql, ids in (
        # By the key: a scan of the short table would wait for the rows of the other kinds' relay, and that for these.
        ("DELETE /*+ INDEX(outbox PRIMARY) */ FROM outbox WHERE id IN ({})", sorted(done)),
        ("UPDATE outbox SET attempts = attempts + 1 WHERE id IN ({})", left),
    ):
        if ids:
            await tx.execute(sql.format(marks(len(ids))), ids)


async def publish(rows: Sequence[OutboxRow], publisher: Publishing, timeout: float) -> set[int]:  # noqa: ASYNC109
    """Publish tasks and refunds side by side; returns the ids that the broker has confirmed."""

    async def one(row: OutboxRow) -> int | None:
        try:
            task = message(row)
            await publisher.publish(queue_for(task.type), task.encode(), {ATTEMPT_HEADER: 0}, timeout)
        except (NotAccepted, LookupError, ValueError) as error:
            # a row that cannot be read as a task stays, is counted and logged; the others go on
            _log.warning("not published", outbox=row.id, kind=row.kind, reason=f"{type(error).__name__}: {error}"[:200])
            return None
        return row.id

    confirmed = await asyncio.gather(*(one(row) for row in rows))
    return {number for number in confirmed if number is not None}


def message(row: OutboxRow) -> TaskMessage:
    """The message of a task or refund; a refund's task id is stable, so publishing it twice is one refund."""
    if row.kind == "refund":
        task_id = f"refund-{row.payload['charge_id']}"
        at = row.created_at.isoformat() + "+00:00"
        return TaskMessage(task_id, "refund_payment", dict(row.payload), datetime.fromisoformat(at))
    payload = row.payload
    created_at = datetime.fromisoformat(payload["created_at"])
    return TaskMessage(payload["task_id"], payload["type"], payload["payload"], created_at)


async def refresh(rows: Sequence[OutboxRow], reader: Connection, cache: Cache) -> set[int]:
    """Read again what the rows name and put it; returns all their ids, or none while the cache is away."""
    changes = await current_states(rows, reader)
    return {row.id for row in rows} if await cache.put_many(changes) else set()


async def current_states(rows: Sequence[OutboxRow], reader: Connection) -> list[Change]:
    """The committed states of all orders, products and lists that the rows name, each once."""
    orders = sorted(
        {number for row in rows for text in row.payload.get("orders", ()) if (number := parse_order_id(text))}
    )
    products = sorted({name for row in rows for name in row.payload.get("products", ())})
    users = sorted({name for row in rows for name in row.payload.get("users", ())})
    changes = [
        order_change(order_document(row))
        for row in await _rows_of(
            reader,
            "SELECT order_id, user_id, product_id, quantity, total_amount, status, created_at, updated_at, ver"
            " FROM orders WHERE order_id IN ({})",
            orders,
        )
    ]
    changes += [
        product_change(product_document(row))
        for row in await _rows_of(
            reader, "SELECT product_id, name, price, stock, ver FROM products WHERE product_id IN ({})", products
        )
    ]
    changes += [
        list_change(row["user_id"], row["ver"])
        for row in await _rows_of(reader, "SELECT user_id, ver FROM user_lists WHERE user_id IN ({})", users)
    ]
    return changes


async def _rows_of(reader: Connection, sql: str, keys: Sequence[Any]) -> list[dict[str, Any]]:
    if not keys:
        return []
    return await reader.fetch_all(sql.format(marks(len(keys))), keys)
