"""Tasks of a stack that names no mail server and no payment provider: dead at once, and no charge is forgotten."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.worker.played import World

from hcs_services.identifiers import public_order_id
from hcs_services.queue.message import DETAIL_HEADER, REASON_HEADER
from hcs_services.worker.registry import HANDLERS

pytestmark = pytest.mark.unit

ORDER = public_order_id(1 << 40)
MAIL = {"user_id": "ada", "to": "ada@customers.example", "subject": "Hello", "body": "Good day"}
PAYMENT = {"order_id": ORDER, "amount": "19.90", "currency": "EUR", "method_token": "tok_ok"}
REFUND = {"order_id": ORDER, "charge_id": "ch-1"}
SETTLEMENT = {"order_id": ORDER, "settle": {**{k: v for k, v in PAYMENT.items() if k != "order_id"}, "task_id": "T0"}}


def left_behind(world: World) -> list[dict[str, Any]]:
    """The messages that the outbox is to publish."""
    rows = [arguments for sql, arguments in world.pool.statements if sql.startswith("INSERT INTO outbox")]
    return [json.loads(row[1]) for row in rows]


@pytest.mark.parametrize(
    ("task_type", "payload", "field"),
    [
        ("send_email", MAIL, "spec.workers.handlers.email"),
        ("process_payment", PAYMENT, "spec.workers.handlers.payment"),
        ("refund_payment", REFUND, "spec.workers.handlers.payment"),
        ("refund_payment", SETTLEMENT, "spec.workers.handlers.payment"),
    ],
)
async def test_a_task_without_its_outside_part_is_dead_at_once_and_says_what_to_set(
    task_type: str, payload: dict[str, Any], field: str
) -> None:
    world = World(handlers=HANDLERS)
    await world.runner.run(world.delivery(payload, task_type=task_type))
    ((_, queue, headers),) = world.published
    assert (queue, headers[REASON_HEADER]) == ("hcs.dead", "not-configured")
    assert field in headers[DETAIL_HEADER]
    assert world.pool.statuses() == ["dead"]


async def test_a_payment_that_no_try_can_have_charged_leaves_nothing_behind() -> None:
    world = World(handlers=HANDLERS)
    await world.runner.run(world.delivery(PAYMENT, task_type="process_payment"))
    assert left_behind(world) == []


async def test_a_payment_that_an_earlier_try_may_have_charged_leaves_a_refund_behind() -> None:
    world = World(handlers=HANDLERS)
    world.pool.claimed = True
    await world.runner.run(world.delivery(PAYMENT, task_type="process_payment"))
    (message,) = left_behind(world)
    assert (message["type"], message["payload"]["order_id"]) == ("refund_payment", ORDER)
    assert message["payload"]["settle"]["task_id"] == "T1"
