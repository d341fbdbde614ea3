"""What an order may cost and become; pure."""

from __future__ import annotations

from decimal import Decimal

from hcs_services.models import MAX_STOCK
from hcs_services.money import MAX_AMOUNT, format_money
from hcs_services.problem import problem

NEXT = {"PENDING": "PAID", "PAID": "SHIPPED", "SHIPPED": "DELIVERED"}
CANCELLABLE = frozenset({"PENDING", "PAID"})


def total(price: Decimal, quantity: int, given: Decimal | None) -> Decimal:
    """Price times quantity; raises `amount-too-large`, or `amount-mismatch` if another total was given."""
    amount = price * quantity
    if amount > MAX_AMOUNT:
        raise problem("amount-too-large", f"The total would be over {format_money(MAX_AMOUNT)}.")
    if given is not None and given != amount:
        raise problem("amount-mismatch", f"{quantity} at {format_money(price)} is {format_money(amount)}.")
    return amount


def first_status(amount: Decimal) -> str:
    """A free order is born PAID."""
    return "PENDING" if amount else "PAID"


def check_stock(stock: int, quantity: int) -> None:
    """Raise `insufficient-stock` unless so many are there."""
    if stock < quantity:
        raise problem("insufficient-stock", f"Only {stock} left of the {quantity} asked for.")


def check_restock(stock: int, quantity: int) -> None:
    """Raise `stock-limit` if the stock would be over its bound."""
    if stock + quantity > MAX_STOCK:
        raise problem("stock-limit", f"{stock} and {quantity} are more than {MAX_STOCK}.")


def check_transition(status: str, wanted: str) -> None:
    """Raise `illegal-transition` unless `wanted` is the step after `status`; CANCELLED is reached by DELETE only."""
    if NEXT.get(status) != wanted:
        if wanted == "CANCELLED":
            raise problem("illegal-transition", "Cancel an order with DELETE.")
        allowed = f"only to {NEXT[status]}" if status in NEXT else "nowhere"
        raise problem("illegal-transition", f"An order that is {status} goes {allowed}, not to {wanted}.")


def check_cancel(status: str) -> None:
    """Raise `illegal-transition` unless the order can still be cancelled."""
    if status not in CANCELLABLE:
        raise problem("illegal-transition", f"An order that is {status} cannot be cancelled.")
