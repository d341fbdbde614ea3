"""A worker killed before any of its steps, then the redelivery: each effect happens once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.engine.worker.conftest import MakeOrder, Rows
from tests.engine.worker.played import (
    Crash,
    Outside,
    PlayedDelivery,
    SteppedWorker,
    Steps,
    cents,
    every_crash,
    run_to_its_end,
    task,
)

from hcs_services.database.members import PrimaryPool
from hcs_services.identifiers import public_order_id
from hcs_services.queue.message import ATTEMPT_HEADER, REASON_HEADER
from hcs_services.queue.topology import DEAD
from hcs_services.worker import payment_rows
from hcs_services.worker.task import Task

pytestmark = pytest.mark.engine

TaskId = Callable[[], str]


def payment(order_id: int, amount: str = "19.90", token: str = "tok_ok") -> dict[str, Any]:
    return {"order_id": public_order_id(order_id), "amount": amount, "currency": "EUR", "method_token": token}


async def cancel(pool: PrimaryPool, order_id: int) -> None:
    async with pool.connection() as connection:
        await connection.execute("UPDATE orders SET status='CANCELLED' WHERE order_id=%s", (order_id,))


async def test_an_order_is_charged_once_and_paid_wherever_the_worker_crashes(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    async def crash(k: int) -> bool:
        outside, order_id, number = Outside(), await make_order(), task_id()
        crashed = await run_to_its_end(pool, outside, task("process_payment", payment(order_id), number), crash_at=k)
        (charge,) = outside.provider.charges.values()
        assert [("charged", charge)] == [
            (row["status"], row["charge_id"])
            for row in await rows("SELECT * FROM payments WHERE order_id=%s", order_id)
        ]
        assert await rows("SELECT status FROM orders WHERE order_id=%s", order_id) == [{"status": "PAID"}]
        assert await rows("SELECT status FROM tasks WHERE task_id=%s", number) == [{"status": "succeeded"}]
        assert outside.settled == ["ack"]
        assert not outside.published
        return crashed

    assert await every_crash(crash) >= 10


async def test_a_declined_payment_is_dead_and_leaves_no_claim_wherever_the_worker_crashes(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    async def crash(k: int) -> bool:
        outside, order_id, number = Outside(), await make_order(), task_id()
        message = task("process_payment", payment(order_id, token="tok_declined"), number)
        crashed = await run_to_its_end(pool, outside, message, crash_at=k)
        assert await rows("SELECT * FROM payments WHERE order_id=%s", order_id) == []
        (row,) = await rows("SELECT status, error FROM tasks WHERE task_id=%s", number)
        assert (row["status"], row["error"].partition(":")[0]) == ("dead", "declined")
        assert {queue for _, queue, _ in outside.published} == {DEAD}
        assert outside.settled == ["ack"]
        return crashed

    assert await every_crash(crash) >= 8


async def test_a_repeated_mail_carries_the_same_message_id_and_is_noted_once(
    pool: PrimaryPool, rows: Rows, task_id: TaskId
) -> None:
    payload = {"user_id": "ada", "to": "ada@customers.example", "subject": "Hi", "body": "There"}

    async def crash(k: int) -> bool:
        outside, number = Outside(), task_id()
        crashed = await run_to_its_end(pool, outside, task("send_email", payload, number), crash_at=k)
        assert len({mail.message_id for mail in outside.mails}) == 1
        assert len(await rows("SELECT * FROM notifications WHERE task_id=%s", number)) == 1
        return crashed

    assert await every_crash(crash) >= 8


@pytest.mark.parametrize("store", [False, True])
async def test_a_report_is_stored_once_and_never_changes(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId, *, store: bool
) -> None:
    now = datetime.now(UTC)

    async def crash(k: int) -> bool:
        outside, number = Outside(), task_id()
        user = f"r{number[:12]}"
        await make_order(user=user, at=now - timedelta(minutes=1))
        payload = {"user_id": user, "from": (now - timedelta(hours=1)).isoformat(), "to": now.isoformat()}
        message = task("generate_report", payload, number)
        crashed = await run_to_its_end(pool, outside, message, crash_at=k, store=store)
        stored = await rows("SELECT content FROM reports WHERE task_id=%s", number)
        assert len(stored) == (0 if store else 1)
        assert len(outside.puts) == (1 if store else 0)
        content = outside.objects[outside.puts[0]].decode() if store else stored[0]["content"]
        assert content.count("\r\n") == 2  # the header and one order
        return crashed

    assert await every_crash(crash) >= 7


async def test_a_sync_writes_its_object_once(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    async def crash(k: int) -> bool:
        outside, number = Outside(), task_id()
        order_id = await make_order()
        payload = {"since": (datetime.now(UTC) - timedelta(minutes=5)).isoformat()}
        message = task("sync_data", payload, number)
        crashed = await run_to_its_end(pool, outside, message, crash_at=k, store=True)
        (key,) = outside.puts
        assert public_order_id(order_id) in outside.objects[key].decode()
        (row,) = await rows("SELECT result->>'$.objects[0].key' AS written FROM tasks WHERE task_id=%s", number)
        assert row["written"] == key
        return crashed

    assert await every_crash(crash) >= 8


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


async def test_a_crash_after_the_charge_of_an_order_that_is_then_cancelled_still_sends_it_back(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    outside, order_id, number = Outside(), await make_order(), task_id()
    message = task("process_payment", payment(order_id), number)
    steps = ["begin", "commit", "committed", "begin", "commit", "committed", "charge"]

    first = SteppedWorker(pool, outside, Steps(len(steps)))
    with pytest.raises(Crash, match="charged"):
        await first.runner.run(PlayedDelivery(message, {}, redelivered=False, worker=first))
    await cancel(pool, order_id)
    await run_to_its_end(pool, outside, message)

    assert len(outside.provider.charges) == 1
    assert await rows(
        "SELECT 1 AS found FROM outbox WHERE kind='refund' AND payload->>'$.order_id'=%s", public_order_id(order_id)
    )


@pytest.mark.parametrize("token", ["tok_ok", "tok_declined"])
async def test_deliveries_of_one_task_at_the_same_time_have_one_effect(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId, token: str
) -> None:
    for _ in range(10):
        outside, order_id, number = Outside(), await make_order(), task_id()
        message = task("process_payment", payment(order_id, token=token), number)
        await asyncio.gather(*(run_to_its_end(pool, outside, message) for _ in range(4)))
        assert outside.settled == ["ack"] * 4
        assert len(outside.provider.charges) == (1 if token == "tok_ok" else 0)
        (row,) = await rows("SELECT status FROM tasks WHERE task_id=%s", number)
        assert row["status"] == ("succeeded" if token == "tok_ok" else "dead")


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
