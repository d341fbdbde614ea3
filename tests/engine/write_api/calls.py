"""The calls that the tests make, in their own words."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from tests.engine.mysql_servers import MysqlGroup


async def product(client: aiohttp.ClientSession, *, stock: int = 100, price: str = "19.90") -> str:
    product_id = f"p-{secrets.token_hex(6)}"
    body = {"product_id": product_id, "name": "Ein Büchlein", "price": price, "stock": stock}
    async with client.post("/api/v1/products", json=body) as answer:
        assert answer.status == 201, await answer.text()
    return product_id


async def call(client: aiohttp.ClientSession, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
    async with client.request(method, path, **options) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers


async def order(client: aiohttp.ClientSession, product_id: str, **members: Any) -> tuple[int, Any, Any]:
    body = {"user_id": "ada", "product_id": product_id, "quantity": 1} | members
    return await call(client, "POST", "/api/v1/orders", json=body)


async def eventually(what: str, check: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < until, f"not in time: {what}"
        await asyncio.sleep(0.1)


def rows(group: MysqlGroup, sql: str, *arguments: object) -> list[dict[str, Any]]:
    return group.primary.ask(sql, *arguments)
