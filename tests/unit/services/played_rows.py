"""The write API's rows, in memory: a Repository for tests of the service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hcs_services.database.versions import clock_version


class PlayedRows:
    """One transaction that is never rolled back: a test looks at what was done."""

    def __init__(self) -> None:
        self.products: dict[str, dict[str, Any]] = {}
        self.orders: dict[int, dict[str, Any]] = {}
        self.charges: dict[int, str] = {}
        self.lists: dict[str, int] = {}
        self.outbox: list[tuple[str, dict[str, Any]]] = []
        self.locked: list[str] = []

    async def insert_product(self, product: Mapping[str, Any]) -> bool:
        if product["product_id"] in self.products:
            return False
        self.products[product["product_id"]] = dict(product)
        return True

    async def lock_product(self, product_id: str) -> dict[str, Any] | None:
        self.locked.append("product")
        found = self.products.get(product_id)
        return None if found is None else dict(found)

    async def change_stock(self, product_id: str, by: int, version: int) -> bool:
        product = self.products[product_id]
        if product["stock"] + by < 0:
            return False
        product["stock"] += by
        product["ver"] = version
        return True

    async def insert_order(self, order: Mapping[str, Any]) -> bool:
        if order["order_id"] in self.orders:
            return False
        self.orders[order["order_id"]] = dict(order)
        return True

    async def lock_order(self, order_id: int) -> dict[str, Any] | None:
        self.locked.append("order")
        found = self.orders.get(order_id)
        return None if found is None else dict(found)

    async def set_status(self, order_id: int, status: str, at: datetime, version: int) -> None:
        self.orders[order_id] |= {"status": status, "updated_at": at.replace(tzinfo=None), "ver": version}

    async def charge_of(self, order_id: int) -> str | None:
        self.locked.append("payment")
        return self.charges.get(order_id)

    async def bump_list(self, user_id: str, now: datetime) -> int:
        self.locked.append("list")
        self.lists[user_id] = max(self.lists.get(user_id, 0) + 1, clock_version(now))
        return self.lists[user_id]

    async def add_to_outbox(self, kind: str, payload: Mapping[str, Any], _owner: str, _now: datetime) -> None:
        self.outbox.append((kind, dict(payload)))
