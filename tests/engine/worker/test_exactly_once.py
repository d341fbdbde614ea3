"""A worker killed before any of its steps, then the redelivery: each effect happens once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.engine.worker.conftest import MakeOrder, Rows
from tests.engine.worker.played import (
    Crash,
    Outside,
    SteppedWorker,
    Steps,
    cancel,
    every_crash,
    payment,
    run_to_its_end,
    task,
)

from hcs_services.database.members import PrimaryPool
from hcs_services.identifiers import public_order_id
from hcs_services.queue.topology import DEAD

pytestmark = pytest.mark.engine

TaskId = Callable[[], str]


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


async def test_a_crash_after_the_charge_of_an_order_that_is_then_cancelled_still_sends_it_back(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    outside, order_id, number = Outside(), await make_order(), task_id()
    message = task("process_payment", payment(order_id), number)
    steps = ["begin", "commit", "committed", "begin", "commit", "committed", "charge"]

    first = SteppedWorker(pool, outside, Steps(len(steps)))
    with pytest.raises(Crash, match="charged"):
        await first.run(message)
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
