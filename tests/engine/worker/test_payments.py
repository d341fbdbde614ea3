"""What a payment may charge, and what becomes of a charge that pays nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.engine.worker.conftest import MakeOrder, Rows
from tests.engine.worker.played import (
    Crash,
    Outside,
    SteppedWorker,
    Steps,
    cancel,
    cents,
    payment,
    run_to_its_end,
    task,
)

from hcs_services.database.members import PrimaryPool
from hcs_services.identifiers import public_order_id
from hcs_services.queue.message import ATTEMPT_HEADER, REASON_HEADER
from hcs_services.worker import payment_rows
from hcs_services.worker.task import Task

pytestmark = pytest.mark.engine

TaskId = Callable[[], str]


async def test_a_charge_of_an_order_that_is_cancelled_meanwhile_is_sent_back(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    outside, order_id, number = Outside(), await make_order(), task_id()
    message = task("process_payment", payment(order_id), number)

    charge = outside.provider.charge

    async def charge_and_cancel(wanted: Any) -> str:
        await cancel(pool, order_id)
        return await charge(wanted)

    outside.provider.charge = charge_and_cancel  # type: ignore[assignment, method-assign]
    await run_to_its_end(pool, outside, message)

    (row,) = await rows("SELECT status, error FROM tasks WHERE task_id=%s", number)
    assert (row["status"], row["error"].partition(":")[0]) == ("dead", "order-cancelled")
    refunds = await rows(
        "SELECT payload->>'$.charge_id' AS charge_id FROM outbox WHERE kind='refund' AND payload->>'$.order_id'=%s",
        public_order_id(order_id),
    )
    assert [{"charge_id": next(iter(outside.provider.charges.values()))}] == refunds


async def test_two_payments_of_one_order_charge_it_once(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    outside, order_id, first, second = Outside(), await make_order(), task_id(), task_id()
    await run_to_its_end(pool, outside, task("process_payment", payment(order_id), first))
    await run_to_its_end(pool, outside, task("process_payment", payment(order_id), second))

    assert len(outside.provider.charges) == 1
    (row,) = await rows("SELECT status, error FROM tasks WHERE task_id=%s", second)
    assert (row["status"], row["error"].partition(":")[0]) == ("dead", "already-paid")


@pytest.mark.parametrize(
    ("status", "amount", "reason"),
    [
        ("CANCELLED", "19.90", "order-cancelled"),
        ("PAID", "19.90", "already-paid"),
        ("PENDING", "1.00", "amount-mismatch"),
    ],
)
async def test_an_order_that_must_not_be_charged_is_not(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId, status: str, amount: str, reason: str
) -> None:
    outside, order_id, number = Outside(), await make_order(status=status), task_id()
    await run_to_its_end(pool, outside, task("process_payment", payment(order_id, amount), number))

    assert not outside.provider.charges
    (row,) = await rows("SELECT status, error FROM tasks WHERE task_id=%s", number)
    assert (row["status"], row["error"].partition(":")[0]) == ("dead", reason)


async def test_a_dead_payment_lets_the_order_be_paid_again(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    outside, order_id = Outside(), await make_order()
    down = task("process_payment", payment(order_id, token="tok_down"), task_id())
    await run_to_its_end(pool, outside, down, headers={ATTEMPT_HEADER: 3})
    await run_to_its_end(pool, outside, task("process_payment", payment(order_id), task_id()))

    assert await rows("SELECT status FROM orders WHERE order_id=%s", order_id) == [{"status": "PAID"}]
    assert outside.published[0][2][REASON_HEADER] == "retries-spent"


async def test_an_order_that_is_cancelled_between_two_tries_is_not_charged(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    outside, order_id, number = Outside(), await make_order(), task_id()
    await run_to_its_end(pool, outside, task("process_payment", payment(order_id, token="tok_down"), number))
    await cancel(pool, order_id)
    await run_to_its_end(pool, outside, task("process_payment", payment(order_id), number), headers={ATTEMPT_HEADER: 1})

    assert not outside.provider.charges
    (row,) = await rows("SELECT status, error FROM tasks WHERE task_id=%s", number)
    assert (row["status"], row["error"].partition(":")[0]) == ("dead", "order-cancelled")
    assert await rows("SELECT * FROM payments WHERE order_id=%s", order_id) == []
    assert await rows("SELECT 1 FROM outbox WHERE payload->>'$.task_id'=%s", f"settle-{number}") == []


async def test_a_try_that_did_not_charge_leaves_the_claim_of_another_try_that_may_have(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    order_id, now = await make_order(), datetime.now(UTC)
    one = Task(task_id(), "process_payment", {}, now, 1)
    wanted = payment_rows.Wanted(one, order_id, cents("19.90"), "EUR")
    async with pool.transaction() as tx:
        version = await payment_rows.claim(tx, wanted, now)
    async with pool.transaction() as tx:
        assert await payment_rows.claim(tx, wanted, now) is None
    async with pool.transaction() as tx:
        assert version is not None
        assert await payment_rows.give_back(tx, wanted, version) == 0

    assert await rows("SELECT status FROM payments WHERE order_id=%s", order_id) == [{"status": "pending"}]


async def test_a_payment_that_ends_waits_for_no_other_orders_payment(
    pool: PrimaryPool, make_order: MakeOrder, task_id: TaskId
) -> None:
    outside, busy, declined = Outside(), await make_order(), await make_order()
    down = task("process_payment", payment(busy), task_id())
    with pytest.raises(Crash):
        await SteppedWorker(pool, outside, Steps(7)).run(down)
    async with pool.transaction() as tx:
        assert await tx.fetch_one("SELECT 1 AS held FROM payments WHERE order_id=%s FOR UPDATE", (busy,))
        message = task("process_payment", payment(declined, token="tok_declined"), task_id())
        async with asyncio.timeout(30):  # for ever, where it waited for the lock
            await run_to_its_end(pool, outside, message)


async def test_a_refund_is_noted_with_the_payment_of_its_order(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    outside, order_id = Outside(), await make_order()
    await run_to_its_end(pool, outside, task("process_payment", payment(order_id), task_id()))
    (charge_id,) = outside.provider.charges.values()
    refund = {"order_id": public_order_id(order_id), "charge_id": charge_id}
    await run_to_its_end(pool, outside, task("refund_payment", refund, task_id()))

    assert await rows("SELECT status FROM payments WHERE order_id=%s", order_id) == [{"status": "refunded"}]
    assert list(outside.provider.refunds.values()) == [charge_id]


async def test_a_payment_that_dies_without_a_clear_answer_leaves_a_settlement_that_refunds_it(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    outside, order_id, number = Outside(), await make_order(), task_id()
    outside.provider.unclear = True
    message = task("process_payment", payment(order_id), number)
    await run_to_its_end(pool, outside, message, headers={ATTEMPT_HEADER: 3})
    (left,) = await rows(
        "SELECT payload->'$.payload' AS payload FROM outbox WHERE kind='task' AND payload->>'$.task_id'=%s",
        f"settle-{number}",
    )
    outside.provider.unclear = False
    await run_to_its_end(pool, outside, task("refund_payment", json.loads(left["payload"]), f"settle-{number}"))

    assert list(outside.provider.refunds.values()) == list(outside.provider.charges.values())
