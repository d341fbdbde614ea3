from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.services.played_rows import PlayedRows

from hcs_services import models
from hcs_services.database.versions import clock_version
from hcs_services.identifiers import public_order_id
from hcs_services.problem import Problem
from hcs_services.write_api.service import Outcome, WriteService

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
CLOCK = clock_version(NOW)


class Ids:
    """Order ids in the order given."""

    def __init__(self, *ids: int) -> None:
        self._ids = list(ids)

    def __call__(self, _user_id: str, _now: datetime) -> int:
        return self._ids.pop(0)


def service(*ids: int) -> WriteService:
    return WriteService(task_key=lambda: b"key", order_id=Ids(*ids), task_id=lambda _key, name, _now: f"id of {name}")


@pytest.fixture
async def rows() -> PlayedRows:
    played = PlayedRows()
    product = models.NewProduct(product_id="book", name="A book", price=Decimal("19.90"), stock=10)
    await service().create_product(played, product, NOW)
    played.outbox.clear()
    return played


async def ordered(rows: PlayedRows, *, quantity: int = 2, order_id: int = 7) -> Outcome:
    body = models.NewOrder(user_id="ada", product_id="book", quantity=quantity, total_amount=None)
    return await service(order_id).create_order(rows, body, NOW)


async def test_a_new_product_is_promised_to_the_cache() -> None:
    rows = PlayedRows()
    body = models.NewProduct(product_id="p", name="P", price=Decimal(1), stock=0)

    outcome = await service().create_product(rows, body, NOW)

    assert (outcome.status, outcome.location, outcome.entities) == (201, "/api/v1/products/p", {"p:p": CLOCK})
    assert rows.outbox == [("cache", {"orders": [], "products": ["p"], "users": []})]


async def test_a_change_of_stock_is_a_new_version_even_when_the_clock_stands(rows: PlayedRows) -> None:
    outcome = await service().restock(rows, "book", models.Restock(quantity=5), NOW)

    assert (outcome.document["stock"], outcome.document["version"]) == (15, CLOCK + 1)


async def test_where_nobody_sends_mails_an_order_promises_none(rows: PlayedRows) -> None:
    silent = WriteService(task_key=lambda: b"key", order_id=Ids(7), confirmation_mails=False)
    body = models.NewOrder(user_id="ada", product_id="book", quantity=2, total_amount=None)
    await silent.create_order(rows, body, NOW)
    assert [kind for kind, _ in rows.outbox] == ["cache"]


async def test_an_order_promises_cache_and_mail_with_itself(rows: PlayedRows) -> None:
    outcome = await ordered(rows)

    public = public_order_id(7)
    assert outcome.entities == {f"o:{public}": CLOCK, "p:book": CLOCK + 1, "l:ada": CLOCK}
    assert rows.products["book"]["stock"] == 8
    kinds = [kind for kind, _ in rows.outbox]
    assert kinds == ["cache", "task"]
    assert rows.outbox[0][1] == {"orders": [public], "products": ["book"], "users": ["ada"]}
    mail: dict[str, Any] = rows.outbox[1][1]
    assert (mail["task_id"], mail["type"]) == ("id of send_email", "send_email")
    assert (mail["payload"]["to"], mail["payload"]["user_id"]) == ("ada@customers.example", "ada")
    assert public in mail["payload"]["subject"]


async def test_an_order_id_that_is_taken_is_replaced(rows: PlayedRows) -> None:
    await ordered(rows, order_id=7)
    body = models.NewOrder(user_id="ada", product_id="book", quantity=1, total_amount=None)

    outcome = await service(7, 7, 8).create_order(rows, body, NOW)

    assert outcome.document["order_id"] == public_order_id(8)


async def test_an_order_beyond_the_stock_is_refused_before_anything_is_written(rows: PlayedRows) -> None:
    with pytest.raises(Problem) as refused:
        await ordered(rows, quantity=11)

    assert refused.value.slug == "insufficient-stock"
    assert (rows.orders, rows.outbox, rows.products["book"]["stock"]) == ({}, [], 10)


async def test_a_status_change_needs_the_version_seen(rows: PlayedRows) -> None:
    outcome = await ordered(rows)
    with pytest.raises(Problem) as refused:
        await service().change_status(rows, 7, "PAID", '"1"', LATER)
    assert refused.value.status == 412

    changed = await service().change_status(rows, 7, "PAID", f'"{outcome.document["version"]}"', LATER)

    assert (changed.document["status"], changed.document["version"]) == ("PAID", clock_version(LATER))
    assert changed.entities.keys() == {f"o:{public_order_id(7)}", "l:ada"}


async def test_cancelling_gives_stock_back_and_refunds_a_charge(rows: PlayedRows) -> None:
    await ordered(rows)
    rows.charges[7] = "ch_1"
    rows.outbox.clear()

    outcome = await service().cancel(rows, 7, "*", LATER)

    assert outcome.document["status"] == "CANCELLED"
    assert rows.products["book"]["stock"] == 10
    assert outcome.entities.keys() == {f"o:{public_order_id(7)}", "p:book", "l:ada"}
    assert ("refund", {"order_id": public_order_id(7), "charge_id": "ch_1"}) in rows.outbox


async def test_cancelling_an_order_without_a_charge_refunds_nothing(rows: PlayedRows) -> None:
    await ordered(rows)
    rows.outbox.clear()

    await service().cancel(rows, 7, "*", LATER)

    assert [kind for kind, _ in rows.outbox] == ["cache"]


async def test_locks_are_taken_in_the_one_order(rows: PlayedRows) -> None:
    await ordered(rows)
    rows.locked.clear()

    await service().cancel(rows, 7, "*", LATER)

    assert rows.locked == ["order", "payment", "product", "list"]


async def test_an_unknown_order_is_not_found(rows: PlayedRows) -> None:
    with pytest.raises(Problem) as refused:
        await service().cancel(rows, 99, "*", NOW)
    assert refused.value.slug == "order-not-found"
