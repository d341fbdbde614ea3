"""The same as `plain_orders` with asyncmy and its connection pool."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncmy
from benchmarks.services.plain_orders import CONNECTIONS, INSERT, LOGIN, PRICE, TAKE, NewOrder, document, row
from fastapi import FastAPI, HTTPException


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    tls = ssl.create_default_context(cafile=os.environ["DATABASE_CA"])
    app.state.pool = await asyncmy.create_pool(minsize=CONNECTIONS, maxsize=CONNECTIONS, ssl=tls, **LOGIN)
    yield


app = FastAPI(lifespan=_lifespan)


@app.post("/api/v1/orders", status_code=201)
async def create_order(order: NewOrder) -> dict[str, Any]:
    """Takes the stock and adds the order, or neither."""
    async with app.state.pool.acquire() as connection, connection.cursor() as cursor:
        await cursor.execute(PRICE, (order.product_id,))
        found = await cursor.fetchone()
        if found is None or not await cursor.execute(TAKE, (order.quantity, order.product_id, order.quantity)):
            await connection.rollback()
            raise HTTPException(409)
        values = row(order, found[0])
        await cursor.execute(INSERT, values)
        await connection.commit()
    return document(values)
