"""The write API without HTTP: what each write does within its one transaction.

Each method works on a Repository that is inside a transaction and returns an Outcome; it raises Problem to refuse,
and then nothing of it remains. `unit.py` runs it: key, commit, settle, cache.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from hcs_services import models
from hcs_services.database.versions import clock_version, next_version
from hcs_services.http_conventions import check_if_match
from hcs_services.identifiers import new_order_id, new_task_id, public_order_id, slot_of
from hcs_services.problem import Problem, problem
from hcs_services.write_api import mail, rules
from hcs_services.write_api.repository import Repository, product_row

_ID_TRIES = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """A write that is about to be committed: its answer, and the documents that are new."""

    status: int
    document: Mapping[str, Any]
    location: str | None = None
    orders: tuple[Mapping[str, Any], ...] = ()
    products: tuple[Mapping[str, Any], ...] = ()
    lists: Mapping[str, int] = field(default_factory=dict)

    @property
    def entities(self) -> dict[str, int]:
        """What the consistency token names."""
        named = {f"o:{order['order_id']}": order["version"] for order in self.orders}
        named |= {f"p:{product['product_id']}": product["version"] for product in self.products}
        return named | {f"l:{user_id}": version for user_id, version in self.lists.items()}


class WriteService:
    """The writes. Ids and task keys come from outside, so that tests decide them."""

    def __init__(
        self,
        *,
        task_key: Callable[[], bytes],
        confirmation_mails: bool = True,
        order_id: Callable[[str, datetime], int] = new_order_id,
        task_id: Callable[[bytes, str, datetime], str] = new_task_id,
    ) -> None:
        self._task_key = task_key
        self._confirmation_mails = confirmation_mails
        self._order_id = order_id
        self._task_id = task_id

    async def create_product(self, rows: Repository, body: models.NewProduct, now: datetime) -> Outcome:
        """Raises `product-exists`."""
        row = product_row(body.product_id, body.name, body.price, body.stock, clock_version(now))
        if not await rows.insert_product(row):
            raise problem("product-exists", f"There is a product {body.product_id}.")
        document = models.product_document(row)
        await self._promise_cache(rows, body.product_id, now, products=[body.product_id])
        return Outcome(201, document, f"/api/v1/products/{body.product_id}", products=(document,))

    async def restock(self, rows: Repository, product_id: str, body: models.Restock, now: datetime) -> Outcome:
        """Raises `product-not-found`, `stock-limit`."""
        product = await self._product(rows, product_id)
        rules.check_restock(product["stock"], body.quantity)
        document = await self._change_stock(rows, product, body.quantity, now)
        await self._promise_cache(rows, product_id, now, products=[product_id])
        return Outcome(200, document, products=(document,))

    async def create_order(self, rows: Repository, body: models.NewOrder, now: datetime) -> Outcome:
        """Raises `product-not-found`, `amount-mismatch`, `amount-too-large`, `insufficient-stock`."""
        product = await self._product(rows, body.product_id)
        amount = rules.total(product["price"], body.quantity, body.total_amount)
        rules.check_stock(product["stock"], body.quantity)
        product_document = await self._change_stock(rows, product, -body.quantity, now)
        order = order_row(body, amount, now)
        order["order_id"] = await self._insert_under_new_id(rows, order, now)
        document = models.order_document(order)
        generation = await rows.bump_list(body.user_id, now)
        for kind, payload in self.promises(document, product["name"], now):
            await rows.add_to_outbox(kind, payload, body.user_id, now)
        return placed(document, product_document, generation)

    async def change_status(
        self, rows: Repository, order_id: int, wanted: str, if_match: str | None, now: datetime
    ) -> Outcome:
        """Raises `order-not-found`, `precondition-failed`, `illegal-transition`."""
        order = await self._order(rows, order_id, if_match)
        rules.check_transition(order["status"], wanted)
        document, generation = await self._set_status(rows, order, wanted, now)
        user_id = order["user_id"]
        await self._promise_cache(rows, user_id, now, orders=[document["order_id"]], users=[user_id])
        return Outcome(200, document, orders=(document,), lists={user_id: generation})

    async def cancel(self, rows: Repository, order_id: int, if_match: str | None, now: datetime) -> Outcome:
        """Cancel, give the stock back, refund what was charged; raises as `change_status` does."""
        order = await self._order(rows, order_id, if_match)
        rules.check_cancel(order["status"])
        user_id, product_id = order["user_id"], order["product_id"]
        charge = await rows.charge_of(order_id)
        product = await self._product(rows, product_id)
        product_document = await self._change_stock(rows, product, order["quantity"], now)
        document, generation = await self._set_status(rows, order, "CANCELLED", now)
        await self._promise_cache(
            rows, user_id, now, orders=[document["order_id"]], products=[product_id], users=[user_id]
        )
        if charge is not None:
            refund = {"order_id": document["order_id"], "charge_id": charge}
            await rows.add_to_outbox("refund", refund, user_id, now)
        return Outcome(200, document, orders=(document,), products=(product_document,), lists={user_id: generation})

    def promises(
        self, order: Mapping[str, Any], product_name: str, now: datetime
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The outbox's rows of a new order: kind and payload."""
        named = {"orders": [order["order_id"]], "products": [order["product_id"]], "users": [order["user_id"]]}
        yield "cache", named
        if self._confirmation_mails:
            yield "task", self._task("send_email", mail.confirmation(order, product_name), now)

    def free_order_id(self, user_id: str, now: datetime, taken: Container[int]) -> int:
        """A new id that is none of `taken`; raises `overloaded`."""
        for _ in range(_ID_TRIES):
            order_id = self._order_id(user_id, now)
            if order_id not in taken:
                return order_id
        raise _no_free_id()

    # -- the parts ------------------------------------------------------------------------------------------------

    async def _product(self, rows: Repository, product_id: str) -> dict[str, Any]:
        product = await rows.lock_product(product_id)
        if product is None:
            raise no_product(product_id)
        return product

    async def _order(self, rows: Repository, order_id: int, if_match: str | None) -> dict[str, Any]:
        order = await rows.lock_order(order_id)
        if order is None:
            raise problem("order-not-found", f"There is no order {public_order_id(order_id)}.")
        check_if_match(if_match, order["ver"])
        return order

    async def _change_stock(
        self, rows: Repository, product: Mapping[str, Any], by: int, now: datetime
    ) -> dict[str, Any]:
        version = next_version(product["ver"], now)
        if not await rows.change_stock(product["product_id"], by, version):
            raise problem("insufficient-stock", "The stock is not enough.")
        return models.product_document({**product, "stock": product["stock"] + by, "ver": version})

    async def _insert_under_new_id(self, rows: Repository, order: Mapping[str, Any], now: datetime) -> int:
        for _ in range(_ID_TRIES):
            order_id = self._order_id(order["user_id"], now)
            if await rows.insert_order({**order, "order_id": order_id}):
                return order_id
        raise _no_free_id()

    async def _set_status(
        self, rows: Repository, order: Mapping[str, Any], status: str, now: datetime
    ) -> tuple[dict[str, Any], int]:
        version = next_version(order["ver"], now)
        await rows.set_status(order["order_id"], status, now, version)
        generation = await rows.bump_list(order["user_id"], now)
        changed = {**order, "status": status, "updated_at": now.replace(tzinfo=None), "ver": version}
        return models.order_document(changed), generation

    async def _promise_cache(self, rows: Repository, owner: str, now: datetime, **names: list[str]) -> None:
        payload: dict[str, list[str]] = {"orders": [], "products": [], "users": []} | names
        await rows.add_to_outbox("cache", payload, owner, now)

    def _task(self, type: str, payload: Mapping[str, Any], now: datetime) -> dict[str, Any]:  # noqa: A002
        return {
            "task_id": self._task_id(self._task_key(), type, now),
            "type": type,
            "payload": dict(payload),
            "created_at": models.rfc3339(now),
        }


def order_row(body: models.NewOrder, amount: Decimal, now: datetime) -> dict[str, Any]:
    """A new row of `orders`, still without its id."""
    return {
        "user_id": body.user_id,
        "product_id": body.product_id,
        "quantity": body.quantity,
        "total_amount": amount,
        "status": rules.first_status(amount),
        "created_at": now.replace(tzinfo=None),
        "updated_at": now.replace(tzinfo=None),
        "slot": slot_of(body.user_id),
        "ver": clock_version(now),
    }


def placed(order: Mapping[str, Any], product: Mapping[str, Any], generation: int) -> Outcome:
    """What a new order's client is told; `generation` is that of the user's list."""
    return Outcome(
        201,
        order,
        f"/api/v1/orders/{order['order_id']}",
        orders=(order,),
        products=(product,),
        lists={order["user_id"]: generation},
    )


def no_product(product_id: str) -> Problem:
    """The refusal of a write to a product that is not there."""
    return problem("product-not-found", f"There is no product {product_id}.")


def _no_free_id() -> Problem:
    # 1024 ids a millisecond and slot: only a stopped clock gets here
    return problem("overloaded", "No free order id in this millisecond.", retry_after=1)
