"""What a call needs to exist first: products, orders in each status, tasks; each made anew through the API itself."""

import asyncio
from typing import Any

from tests.contract.api import Api, Reply, unique
from tests.slack import SLACK

SETTLE_SECONDS = 60.0
FAR_PAST, FAR_FUTURE = "2025-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


class World:
    """Makes things through the API and hands them out."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def product(self, *, stock: int = 1000, price: str = "19.90") -> Reply:
        """Create a product."""
        body = {"product_id": unique("p"), "name": "A thing", "price": price, "stock": stock}
        return await self._made(201, "POST", "/products", body)

    async def order(self, *, price: str = "19.90", quantity: int = 1, user: str | None = None) -> Reply:
        """Create an order of a product of its own."""
        product = (await self.product(price=price)).json["product_id"]
        body = {"user_id": user or unique("u"), "product_id": product, "quantity": quantity}
        return await self._made(201, "POST", "/orders", body)

    async def order_in(self, status: str) -> Reply:
        """Create an order and lead it to a status."""
        reply = await self.order()
        if status == "CANCELLED":
            return await self.change(reply, "DELETE")
        for step in ("PAID", "SHIPPED", "DELIVERED"):
            if reply.json["status"] == status:
                break
            reply = await self.change(reply, "PATCH", {"status": step})
        assert reply.json["status"] == status, reply
        return reply

    async def change(self, order: Reply, method: str, json: Any = None) -> Reply:
        """Change an order under its current tag."""
        return await self._made(200, method, f"/orders/{order.json['order_id']}", json, If_Match=order.etag)

    async def report(self, user: str) -> Reply:
        """Ask for a report of all of a user's orders."""
        return await self._made(202, "POST", "/reports", {"user_id": user, "from": FAR_PAST, "to": FAR_FUTURE})

    async def notification(self, **changes: Any) -> Reply:
        """Ask for a mail."""
        body = {"user_id": unique("u"), "to": "ada@customers.example", "subject": "Hello", "body": "A line."}
        return await self._made(202, "POST", "/notifications", {**body, **changes})

    async def payment(self, order: Reply, **changes: Any) -> Reply:
        """Pay an order."""
        amount = order.json["total_amount"]
        body = {"order_id": order.json["order_id"], "amount": amount, "currency": "EUR", "method_token": "tok_ok"}
        return await self._made(202, "POST", "/payments", {**body, **changes})

    async def settled(self, task: Reply) -> Reply:
        """Wait until a task has succeeded or is dead; returns it."""
        path = f"/tasks/{task.json['task_id']}"
        async with asyncio.timeout(SETTLE_SECONDS * SLACK):
            while True:
                reply = await self.api.call("GET", path)
                assert reply.status == 200, reply
                if reply.json["status"] in {"succeeded", "dead"}:
                    return reply
                await asyncio.sleep(0.1)

    async def _made(self, status: int, method: str, path: str, json: Any = None, **headers: str) -> Reply:
        reply = await self.api.call(method, path, json, **headers)
        assert reply.status == status, reply
        return reply
