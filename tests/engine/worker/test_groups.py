"""Tasks that share a transaction on real MySQL: each has its own effect and its own end, whatever becomes of the group."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from tests.engine.locks import waits_for_a_lock
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.worker.conftest import MakeOrder, Rows
from tests.engine.worker.played import Outside, SteppedWorker, Steps, task
from tests.engine.write_api.rigs import AtCommit, disturbed_pool, lose_answer, lose_request

from hcs_services.database.connection import Connection
from hcs_services.database.members import PrimaryPool
from hcs_services.worker.ledger import SIZES, SPLITS, Ledger
from hcs_services.worker.task import Done, Effect, Task

TaskId = Callable[[], str]
MAIL = {"user_id": "ada", "to": "ada@customers.example", "subject": "Hi", "body": "There"}


def one(number: str) -> Task:
    return Task(number, "send_email", {"user_id": "ada"}, datetime.now(UTC), 1)


def counting(order_id: int) -> Effect:
    """One more in the order each time that it is had."""

    async def effect(tx: Connection, _now: datetime) -> Done:
        await tx.execute("UPDATE orders SET quantity = quantity + 1 WHERE order_id = %s", (order_id,))
        return Done(result={"of": order_id})

    return effect


def locking(order_id: int) -> Effect:
    async def effect(tx: Connection, _now: datetime) -> Done:
        await tx.fetch_one("SELECT 1 AS held FROM orders WHERE order_id = %s FOR UPDATE", (order_id,))
        return Done()

    return effect


def figures() -> tuple[float, float]:
    """How many begins and effects have shared a transaction, and how many groups came to nothing."""
    return SIZES._sum.get(), SPLITS._value.get()


async def test_tasks_that_come_together_commit_together(pool: PrimaryPool, task_id: TaskId) -> None:
    numbers, outside = [task_id() for _ in range(8)], Outside()
    before = figures()
    worker = SteppedWorker(pool, outside, Steps())
    await asyncio.gather(*(worker.run(task("send_email", MAIL, number)) for number in numbers))

    assert figures() == (before[0] + 2 * len(numbers), before[1])
    assert worker.step.taken.count("committed") < 2 * len(numbers)
    assert outside.settled == ["ack"] * len(numbers)


async def test_of_mails_that_are_noted_together_one_fails_and_each_row_says_how_its_own_ended(
    pool: PrimaryPool, rows: Rows, task_id: TaskId
) -> None:
    numbers, outside = [task_id() for _ in range(8)], Outside()
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO notifications VALUES (%s, 'ada', 'x', 'x', 'x', UTC_TIMESTAMP(6), 0, 1)", (numbers[3],)
        )
    before = figures()
    worker = SteppedWorker(pool, outside, Steps())
    await asyncio.gather(*(worker.run(task("send_email", MAIL, number)) for number in numbers))

    found = {
        row["task_id"]: (row["status"], row["result"])
        for row in await rows("SELECT task_id, status, result FROM tasks")
        if row["task_id"] in numbers
    }
    failed = found.pop(numbers[3])
    assert failed == ("retrying", None)
    assert len(outside.published) == 1
    assert {number: json.loads(result)["message_id"] for number, (_, result) in found.items()} == {
        number: f"<{number}@tasks.hcs.invalid>" for number in found
    }
    assert {status for status, _ in found.values()} == {"succeeded"}
    assert (outside.settled, figures()[1] > before[1]) == (["ack"] * 8, True)


async def test_a_group_that_loses_a_deadlock_goes_on_one_by_one(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId, mysql_group: MysqlGroup
) -> None:
    numbers, orders = [task_id(), task_id()], [await make_order(), await make_order()]
    ledger = Ledger(pool, lambda: datetime.now(UTC))
    await asyncio.gather(*(ledger.begin(one(number)) for number in numbers))
    with mysql_group.connection("app") as other, other.cursor() as cursor:
        other.begin()
        for _ in range(50):  # it has written more than the group has, so the group is the victim
            cursor.execute("UPDATE orders SET ver = ver + 1 WHERE order_id = %s", (orders[1],))
        split = figures()[1]
        wanted = [
            ledger.take_effect(one(number), locking(order)) for number, order in zip(numbers, orders, strict=True)
        ]
        effects = asyncio.gather(*wanted)
        await waits_for_a_lock(mysql_group)
        statement = "SELECT 1 FROM orders WHERE order_id = %s FOR UPDATE"
        await asyncio.to_thread(cursor.execute, statement, (orders[0],))
        other.rollback()

        assert await effects == [Done(), Done()]
    assert figures()[1] == split + 1
    found = await rows("SELECT status FROM tasks JOIN inbox USING (task_id) WHERE task_id IN (%s, %s)", *numbers)
    assert found == [{"status": "succeeded"}] * 2


@pytest.mark.parametrize("lost", [lose_answer, lose_request], ids=["after it happened", "before it happened"])
async def test_a_groups_commit_whose_answer_is_lost_is_settled_for_each(
    pool: PrimaryPool,
    make_order: MakeOrder,
    rows: Rows,
    task_id: TaskId,
    mysql_group: MysqlGroup,
    tier_environment: Callable[[str], dict[str, str]],
    lost: AtCommit,
) -> None:
    wanted = [(one(task_id()), await make_order()) for _ in range(4)]
    calm = Ledger(pool, lambda: datetime.now(UTC))
    await asyncio.gather(*(calm.begin(task) for task, _ in wanted))
    split = figures()[1]
    async with disturbed_pool(mysql_group, tier_environment("write-api"), lost) as disturbed:
        ledger = Ledger(disturbed, lambda: datetime.now(UTC))
        answers = await asyncio.gather(*(ledger.take_effect(task, counting(order)) for task, order in wanted))

    assert figures()[1] == split + 1
    assert answers == [None if lost is lose_answer else Done(result={"of": order}) for _, order in wanted]
    for one_task, order in wanted:
        assert await rows("SELECT quantity FROM orders WHERE order_id = %s", order) == [{"quantity": 2}]
        assert await rows("SELECT status FROM tasks WHERE task_id = %s", one_task.id) == [{"status": "succeeded"}]
