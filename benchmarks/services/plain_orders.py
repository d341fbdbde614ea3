"""The plain way to place an order: FastAPI and PyMySQL, one transaction a request, a connection for each thread."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pymysql
from anyio import to_thread
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

LOGIN: dict[str, Any] = {
    "host": os.environ["DATABASE_HOST"],
    "user": "hcs_app",
    "password": os.environ["DATABASE_PASSWORD"],
    "database": "hcs",
}
PRICE = "SELECT price FROM products WHERE product_id = %s"
TAKE = "UPDATE products SET stock = stock - %s, ver = ver + 1 WHERE product_id = %s AND stock >= %s"
INSERT = (
    "INSERT INTO orders"
    " (order_id, user_id, product_id, quantity, total_amount, status, created_at, updated_at, slot, ver)"
    " VALUES (%s, %s, %s, %s, %s, 'PENDING', %s, %s, 0, 1)"
)

CONNECTIONS = 16  # as many as the product's write API has; the account's limit is for all contenders together


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = CONNECTIONS
    yield


app = FastAPI(lifespan=_lifespan)
_mine = threading.local()


class NewOrder(BaseModel):
    """What is ordered."""

    user_id: str
    product_id: str
    quantity: int


def row(order: NewOrder, price: Any) -> tuple[Any, ...]:
    """The arguments of INSERT."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return (
        secrets.randbits(63),
        order.user_id,
        order.product_id,
        order.quantity,
        price * order.quantity,
        now,
        now,
    )


def document(values: tuple[Any, ...]) -> dict[str, Any]:
    """The answer."""
    names = ("order_id", "user_id", "product_id", "quantity", "total_amount", "created_at", "updated_at")
    return {**dict(zip(names, values, strict=True)), "status": "PENDING"}


@app.post("/api/v1/orders", status_code=201)
def create_order(order: NewOrder) -> dict[str, Any]:
    """Takes the stock and adds the order, or neither."""
    connection = _connection()
    with connection.cursor() as cursor:
        cursor.execute(PRICE, (order.product_id,))
        found = cursor.fetchone()
        if found is None or not cursor.execute(TAKE, (order.quantity, order.product_id, order.quantity)):
            connection.rollback()
            raise HTTPException(409)
        values = row(order, found[0])
        cursor.execute(INSERT, values)
    connection.commit()
    return document(values)


def _connection() -> Any:
    if not hasattr(_mine, "connection"):
        ca = os.environ["DATABASE_CA"]
        _mine.connection = pymysql.connect(**LOGIN, ssl_ca=ca, ssl_verify_identity=True)
    return _mine.connection
