"""The sums of a ledger: what of the acknowledged is lost, what was done twice, and what else does not add up. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.cluster.attempts import Attempt

STOCK = 1_000_000
HANDLED = frozenset({"PAID", "CANCELLED"})
"""What an order may be once its payment was taken."""


@dataclass(frozen=True)
class Sent:
    """Every attempt of a load, by kind; `exports` are reports and syncs, whose effect is their result."""

    orders: list[Attempt] = field(default_factory=list)
    mails: list[Attempt] = field(default_factory=list)
    payments: list[Attempt] = field(default_factory=list)
    cancels: list[Attempt] = field(default_factory=list)
    exports: list[Attempt] = field(default_factory=list)

    def all(self) -> list[Attempt]:
        """All of them."""
        return [*self.orders, *self.mails, *self.payments, *self.cancels, *self.exports]

    def order_ids(self) -> set[str]:
        """The orders that were promised."""
        return {attempt.answer["order_id"] for attempt in acknowledged(self.orders)}


@dataclass(frozen=True)
class Seen:
    """What is there: orders by id and charges as their own APIs show them, the Message-IDs of mails by recipient and of
    confirmations by order, and the accepted exports that have no result.
    """

    rows: Mapping[str, Mapping[str, Any]]
    charges: Sequence[Mapping[str, Any]]
    mails: Mapping[str, AbstractSet[str]]
    confirmations: Mapping[str, AbstractSet[str]]
    unfinished: Sequence[str] = ()

    def orders_in(self, status: str) -> set[str]:
        """The orders of that status."""
        return {key for key, row in self.rows.items() if row["status"] == status}


@dataclass(frozen=True)
class Missing:
    """Effects that are not there: payments and refunds by order, mails by recipient, confirmations by order, and the
    accepted exports that have no result; payments and mails in the order in which they were sent.
    """

    payments: Sequence[str]
    refunds: Sequence[str]
    mails: Sequence[str]
    confirmations: Sequence[str]
    unfinished: Sequence[str]


def acknowledged(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Those of them that the product promised to keep."""
    return [attempt for attempt in attempts if attempt.acknowledged]


def missing(sent: Sent, seen: Seen) -> Missing:
    """The effects of accepted tasks that are not there, or not there yet."""
    cancelled = seen.orders_in("CANCELLED")
    handled = {key for key, row in seen.rows.items() if row["status"] in HANDLED}
    refunded = {charge["order_id"] for charge in seen.charges if charge["refunded"]}
    return Missing(
        payments=[a.body["order_id"] for a in acknowledged(sent.payments) if a.body["order_id"] not in handled],
        refunds=sorted(cancelled - refunded),
        mails=[a.body["to"] for a in acknowledged(sent.mails) if a.body["to"] not in seen.mails],
        confirmations=[key for key in seen.rows if key not in seen.confirmations],
        unfinished=seen.unfinished,
    )


def without_effect(sent: Sent, seen: Seen) -> list[str]:
    """The accepted tasks whose effect is not there, or not there yet."""
    gone = missing(sent, seen)
    return [
        *(f"payment of {key}" for key in gone.payments),
        *(f"refund of {key}" for key in gone.refunds),
        *(f"mail to {to}" for to in gone.mails),
        *(f"confirmation of {key}" for key in gone.confirmations),
        *gone.unfinished,
    ]


def lost(sent: Sent, seen: Seen) -> list[str]:
    """What was acknowledged and is not there: orders, cancels, charges, and the effects of tasks."""
    cancelled = seen.orders_in("CANCELLED")
    gone = [a.path.rpartition("/")[2] for a in acknowledged(sent.cancels) if a.answer["order_id"] not in cancelled]
    there = seen.orders_in("PAID") | cancelled
    charged, due = _charged(seen), [_due(a) for a in acknowledged(sent.payments) if a.body["order_id"] in there]
    return [
        *(f"order {key}" for key in sorted(sent.order_ids() - set(seen.rows))),
        *(f"cancel of {key}" for key in gone),
        *(f"charge for {order}" for order, amount in due if not charged[order, amount]),
        *without_effect(sent, seen),
    ]


def doubled(sent: Sent, seen: Seen) -> list[str]:
    """What was done twice: orders that nobody was promised, mails under two Message-IDs, charges for one payment.

    As many orders as have no sure answer may be there without a promise.
    """
    unpromised = sorted(set(seen.rows) - sent.order_ids())
    unsure = sum(not attempt.settled for attempt in sent.orders)
    mails = [*seen.mails.items(), *seen.confirmations.items()]
    charged, due = _charged(seen), map(_due, acknowledged(sent.payments))
    return [
        *(f"order {key}" for key in unpromised[unsure:]),
        *(f"mail about {about}: {sorted(ids)}" for about, ids in mails if len(ids) > 1),
        *(f"charge for {order}" for order, amount in due if charged[order, amount] > 1),
    ]


def disagreeing(sent: Sent, seen: Seen, stock: Mapping[str, int]) -> list[str]:
    """What does not add up without being lost or doubled: stock, cancels, money, and answers that must never be."""
    sold = Counter[str]()
    for row in seen.rows.values():
        sold[row["product_id"]] += row["quantity"] if row["status"] != "CANCELLED" else 0
    asked = {attempt.answer["order_id"] for attempt in acknowledged(sent.cancels)}
    kept = sum(Decimal(charge["amount"]) for charge in seen.charges if not charge["refunded"])
    paid = sum(Decimal(seen.rows[key]["total_amount"]) for key in seen.orders_in("PAID"))
    unsettled = [attempt for attempt in sent.all() if not attempt.settled]
    return [
        *(f"{len(unsettled)} could not be settled, the first: {one.method} {one.path}" for one in unsettled[:1]),
        *(f"an answer that must never be: {bug}" for attempt in sent.all() for bug in attempt.bugs),
        *(f"stock of {it}: {left}, not {STOCK - sold[it]}" for it, left in stock.items() if left != STOCK - sold[it]),
        *(f"cancelled by nobody: {key}" for key in sorted(seen.orders_in("CANCELLED") - asked)),
        *([f"charges minus refunds are {kept}, the orders were paid {paid}"] if kept != paid else []),
    ]


def _charged(seen: Seen) -> Counter[tuple[str, Decimal]]:
    """How often each amount was charged for each order."""
    return Counter((charge["order_id"], Decimal(charge["amount"])) for charge in seen.charges)


def _due(payment: Attempt) -> tuple[str, Decimal]:
    """The order and amount of a payment."""
    return payment.body["order_id"], Decimal(payment.body["amount"])
