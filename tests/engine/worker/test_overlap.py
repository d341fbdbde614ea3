"""Two deliveries of one task at the same time: the row, the effect and the dead letter say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.engine.worker.conftest import MakeOrder, Rows
from tests.engine.worker.played import Outside, SteppedWorker, Steps, payment, task

from hcs_services.database.members import PrimaryPool
from hcs_services.queue import TaskMessage
from hcs_services.queue.message import ATTEMPT_HEADER
from hcs_services.queue.topology import DEAD
from hcs_services.worker.task import Permanent, TaskFailed, Transient

pytestmark = pytest.mark.engine

TaskId = Callable[[], str]
MAIL = {"user_id": "ada", "to": "ada@customers.example", "subject": "Hi", "body": "There"}


class Overlap:
    """Two workers with one delivery each: the second's runs from its begin to its end in the first's call outside.

    The first then fails with `first`, the second with `second`, at that call; None lets it succeed.
    """

    def __init__(self, pool: PrimaryPool, *, first: TaskFailed | None = None, second: TaskFailed | None = None) -> None:
        self.outside = Outside()
        self._workers = [SteppedWorker(pool, self.outside, Steps()) for _ in range(2)]
        for worker, failure in zip(self._workers, (first, second), strict=True):
            for name in ("send", "charge"):
                setattr(worker, name, self._call(worker, getattr(worker, name), failure))
        self._headers: dict[str, Any] = {}
        self._message: TaskMessage | None = None

    async def run(self, message: TaskMessage, *, attempt: int = 0) -> None:
        """Deliver; `attempt` is the number of tries already made."""
        self._message, self._headers = message, {ATTEMPT_HEADER: attempt}
        await self._deliver(self._workers[0])

    async def _deliver(self, worker: SteppedWorker) -> None:
        assert self._message is not None
        await worker.run(self._message, self._headers)

    def _call(self, worker: SteppedWorker, call: Callable[..., Any], failure: TaskFailed | None) -> Callable[..., Any]:
        async def outside(wanted: Any) -> Any:
            answer = await call(wanted) if failure is None else None
            if worker is self._workers[0]:
                await self._deliver(self._workers[1])
            if failure is not None:
                raise failure
            return answer

        return outside


async def test_a_task_that_was_given_up_meanwhile_stays_dead_and_has_no_effect(
    pool: PrimaryPool, rows: Rows, task_id: TaskId
) -> None:
    number, overlap = task_id(), Overlap(pool, second=Permanent("mail-refused", "550"))
    await overlap.run(task("send_email", MAIL, number))

    (row,) = await rows("SELECT status, error FROM tasks WHERE task_id=%s", number)
    assert (row["status"], row["error"]) == ("dead", "mail-refused: 550")
    assert await rows("SELECT * FROM inbox WHERE task_id=%s", number) == []
    assert await rows("SELECT * FROM notifications WHERE task_id=%s", number) == []
    assert {queue for _, queue, _ in overlap.outside.published} == {DEAD}
    assert overlap.outside.settled == ["ack", "ack"]


@pytest.mark.parametrize("failure", [Permanent("mail-refused", "550"), Transient("mail-deferred", "451")])
async def test_a_task_that_was_done_meanwhile_has_no_dead_letter_and_stays_done(
    pool: PrimaryPool, rows: Rows, task_id: TaskId, failure: TaskFailed
) -> None:
    number, overlap = task_id(), Overlap(pool, first=failure)
    await overlap.run(task("send_email", MAIL, number))

    assert await rows("SELECT status FROM tasks WHERE task_id=%s", number) == [{"status": "succeeded"}]
    assert DEAD not in {queue for _, queue, _ in overlap.outside.published}
    assert overlap.outside.settled == ["ack", "ack"]


async def test_a_charge_of_a_payment_that_was_given_up_meanwhile_is_settled(
    pool: PrimaryPool, make_order: MakeOrder, rows: Rows, task_id: TaskId
) -> None:
    number, order_id = task_id(), await make_order()
    overlap = Overlap(pool, second=Transient("provider", "503"))
    await overlap.run(task("process_payment", payment(order_id), number), attempt=3)

    assert await rows("SELECT status FROM tasks WHERE task_id=%s", number) == [{"status": "dead"}]
    assert await rows("SELECT status FROM orders WHERE order_id=%s", order_id) == [{"status": "PENDING"}]
    assert await rows("SELECT * FROM payments WHERE order_id=%s", order_id) == []
    assert len(overlap.outside.provider.charges) == 1
    assert await rows("SELECT 1 AS left_behind FROM outbox WHERE payload->>'$.task_id'=%s", f"settle-{number}")
