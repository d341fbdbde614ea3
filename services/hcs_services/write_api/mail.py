"""The confirmation mail of an order, as the payload of its task; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def confirmation(order: Mapping[str, Any], product_name: str) -> dict[str, str]:
    """An order has no address of its own: mail goes to the customer's box at `customers.example`."""
    paid = "It is paid." if order["status"] == "PAID" else "It awaits its payment."
    return {
        "user_id": order["user_id"],
        "to": f"{order['user_id']}@customers.example",
        "subject": f"Your order {order['order_id']}",
        "body": (
            f"Thank you for your order {order['order_id']}.\n\n"
            f"{order['quantity']} × {product_name}: {order['total_amount']}\n\n{paid}\n"
        ),
    }
