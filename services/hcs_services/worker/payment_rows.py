"""The rows of a payment: the claim that is taken before the provider is called, and what becomes of it.

The claim (`payments.status = 'pending'`) stands while the provider may charge or may have charged: it makes two payment
tasks of one order take turns, and tells a later try that only the provider knows. A try that the provider answers with
"not charged" gives it back, unless another try of the task holds it too (then its version is not the one it was taken
with). Locks are always taken in the order orders, payments, user_lists.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from hcs_services.cache import list_change, order_change
from hcs_services.database.connection import Connection
from hcs_services.database.versions import clock_version, next_version
from hcs_services.identifiers import parse_order_id, public_order_id
from hcs_services.models import order_document, rfc3339
from hcs_services.worker.task import Done, Permanent, Task, Transient
from hcs_services.worker.task_rows import naive


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a payment task wants to pay; `order_id` is the row's."""

    task: Task
    order_id: int
    amount: Decimal
    currency: str


async def claim(tx: Connection, wanted: Wanted, now: datetime) -> int | None:
    """Check the order and take the claim; returns the claim's version, or None for one that this task held already.

    Raises Permanent for an order that must not be charged, Transient while another task holds the claim.
    """
    order = await _locked_order(tx, wanted.order_id)
    if order is None:
        raise Permanent("unknown-order", "there is no such order")
    held = await tx.fetch_one("SELECT * FROM payments WHERE order_id = %s FOR UPDATE", (wanted.order_id,))
    if held is not None and held["task_id"] == wanted.task.id and held["status"] == "pending":
        # Another try may have charged: only the provider knows, so the order's state does not matter now.
        await tx.execute("UPDATE payments SET ver = ver + 1 WHERE order_id = %s", (wanted.order_id,))
        return None
    if order["status"] == "CANCELLED":
        raise Permanent("order-cancelled", "the order is cancelled")
    if order["status"] != "PENDING":
        raise Permanent("already-paid", "the order is paid already")
    if order["total_amount"] != wanted.amount:
        raise Permanent("amount-mismatch", f"the order's total is {order['total_amount']}, not {wanted.amount}")
    if held is not None and held["status"] == "pending" and await _alive(tx, held["task_id"]):
        raise Transient("payment-in-progress", "another payment of this order is in progress")
    return await _take(tx, wanted, order, now)


async def give_back(tx: Connection, wanted: Wanted, version: int) -> int:
    """Give up a claim of this version, for the provider has not charged; returns how many rows that were (0 or 1)."""
    return await tx.execute(
        "DELETE FROM payments WHERE order_id = %s AND task_id = %s AND status = 'pending' AND ver = %s",
        (wanted.order_id, wanted.task.id, version),
    )


async def settle_charge(tx: Connection, wanted: Wanted, charge_id: str, now: datetime) -> Done:
    """Record a charge: the order turns PAID, or, where it no longer can be, the charge goes back."""
    order = await _locked_order(tx, wanted.order_id)
    assert order is not None  # orders are never deleted
    recorded = await tx.execute(
        "UPDATE payments SET status = 'charged', charge_id = %s, ver = GREATEST(ver + 1, %s)"
        " WHERE order_id = %s AND task_id = %s AND status = 'pending'",
        (charge_id, clock_version(now), wanted.order_id, wanted.task.id),
    )
    # Nothing recorded: the claim was given up and may be another task's by now.
    if order["status"] == "PENDING" and recorded:
        return await _set_paid(tx, order, charge_id, now)
    await enqueue_refund(tx, order, charge_id, now)
    reason = "order-cancelled" if order["status"] == "CANCELLED" else "already-paid"
    return Done(
        result={"charge_id": charge_id, "refunded": True},
        dead=f"{reason}: the order was {order['status']} once it was charged; the charge is refunded",
    )


async def release(tx: Connection, task: Task) -> int:
    """Give up the claim of a task that ends; returns how many rows that were (0 or 1)."""
    order_id = parse_order_id(str(task.payload.get("order_id")))
    return await tx.execute(
        "DELETE FROM payments WHERE order_id = %s AND task_id = %s AND status = 'pending'", (order_id, task.id)
    )


async def enqueue_refund(tx: Connection, order: dict[str, Any], charge_id: str, now: datetime) -> None:
    """Have the outbox's relay refund a charge."""
    payload = {"order_id": public_order_id(order["order_id"]), "charge_id": charge_id}
    await _outbox(tx, "refund", payload, order["slot"], now)


async def enqueue_settlement(tx: Connection, task: Task, slot: int, now: datetime) -> None:
    """Have a charge of unknown outcome found out about and refunded: the task ends dead, so nobody else will."""
    payment = task.payload
    settle = {name: payment[name] for name in ("amount", "currency", "method_token")} | {"task_id": task.id}
    message = {
        "task_id": f"settle-{task.id}"[:64],
        "type": "refund_payment",
        "payload": {"order_id": payment["order_id"], "settle": settle},
        "created_at": rfc3339(now),
    }
    await _outbox(tx, "task", message, slot, now)


async def _locked_order(tx: Connection, order_id: int) -> dict[str, Any] | None:
    return await tx.fetch_one("SELECT * FROM orders WHERE order_id = %s FOR UPDATE", (order_id,))


async def _alive(tx: Connection, task_id: str) -> bool:
    """Whether the holder of a claim may still come back to it; one that is dead or unknown never will."""
    row = await tx.fetch_one("SELECT status FROM tasks WHERE task_id = %s", (task_id,))
    return row is not None and row["status"] not in ("dead", "succeeded")


async def _take(tx: Connection, wanted: Wanted, order: dict[str, Any], now: datetime) -> int:
    version = clock_version(now)
    await tx.execute("DELETE FROM payments WHERE order_id = %s AND status = 'pending'", (wanted.order_id,))
    await tx.execute(
        "INSERT INTO payments (order_id, task_id, charge_id, amount, currency, status, created_at, slot, ver)"
        " VALUES (%s, %s, NULL, %s, %s, 'pending', %s, %s, %s)",
        (
            wanted.order_id,
            wanted.task.id,
            wanted.amount,
            wanted.currency,
            naive(now),
            order["slot"],
            version,
        ),
    )
    return version


async def _set_paid(tx: Connection, order: dict[str, Any], charge_id: str, now: datetime) -> Done:
    version, user_id = next_version(order["ver"], now), order["user_id"]
    await tx.execute(
        "UPDATE orders SET status = 'PAID', ver = %s, updated_at = %s WHERE order_id = %s",
        (version, naive(now), order["order_id"]),
    )
    paid = {**order, "status": "PAID", "ver": version, "updated_at": naive(now)}
    generation = await _bump_list(tx, user_id, order["slot"], now)
    public = public_order_id(order["order_id"])
    await _outbox(tx, "cache", {"orders": [public], "products": [], "users": [user_id]}, order["slot"], now)
    return Done(
        result={"charge_id": charge_id, "order_id": public, "order_version": version},
        changes=(order_change(order_document(paid)), list_change(user_id, generation)),
    )


async def _bump_list(tx: Connection, user_id: str, slot: int, now: datetime) -> int:
    row = await tx.fetch_one("SELECT ver FROM user_lists WHERE user_id = %s FOR UPDATE", (user_id,))
    generation = next_version(row["ver"], now) if row is not None else clock_version(now)
    await tx.execute(
        "INSERT INTO user_lists (user_id, slot, ver) VALUES (%s, %s, %s) ON DUPLICATE KEY UPDATE ver = %s",
        (user_id, slot, generation, generation),
    )
    return generation


async def _outbox(tx: Connection, kind: str, payload: dict[str, Any], slot: int, now: datetime) -> None:
    await tx.execute(
        "INSERT INTO outbox (kind, payload, created_at, slot, ver) VALUES (%s, %s, %s, %s, %s)",
        (kind, json.dumps(payload), naive(now), slot, clock_version(now)),
    )
