"""Tasks from the accept to their effect: async API, worker, mail sink and payment stub as processes, real engines."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.engine.async_api.calls import Calls, address, pay
from tests.engine.async_api.waiting import eventually
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.worker.task_stack import Process

from hcs_services.queue import Broker, Delivery, Publisher
from hcs_services.queue.consumer import Consumer
from hcs_services.queue.message import ATTEMPT_HEADER, REASON_HEADER, SOURCE_HEADER
from hcs_services.queue.topology import CRITICAL, DEAD, DEFAULT

pytestmark = pytest.mark.engine


class Dead:
    """Reads the dead-letter queue."""

    def __init__(self, broker: Broker) -> None:
        self._found: list[Delivery] = []
        self._consumer = Consumer(broker, "test-dead", [DEAD], 100, self._take)

    def _take(self, delivery: Delivery) -> None:
        self._found.append(delivery)
        delivery.ack()

    async def letter(self, text: str) -> Delivery:
        """The dead letter whose body holds `text`."""
        task = asyncio.create_task(self._consumer.run())
        try:
            async with asyncio.timeout(60):
                while True:
                    for delivery in self._found:
                        if text in delivery.body.decode(errors="replace"):
                            return delivery
                    await asyncio.sleep(0.02)
        finally:
            task.cancel()


async def test_a_mail_arrives_once_with_a_message_id_made_of_its_task(calls: Calls, worker: Process) -> None:
    to = address()
    accepted = await calls.notify(to)
    task = await calls.until_finished(accepted)
    (message,) = await calls.messages(to)
    assert (task["status"], task["attempts"]) == ("succeeded", 1)
    assert accepted.body["task_id"] in message["message_id"]
    assert (message["subject"], message["body"]) == ("Hello", "There")
    assert task["result"] == {"message_id": message["message_id"]}


async def test_a_deferred_mail_is_tried_again_after_one_and_five_seconds(calls: Calls, worker: Process) -> None:
    to, started = address("later"), time.monotonic()
    accepted = await calls.notify(to)
    seen: set[str] = set()

    async def finished() -> bool:
        task = (await calls.get(f"/tasks/{accepted.body['task_id']}")).body
        seen.add(task["status"])
        return bool(task["status"] == "succeeded")

    await eventually("the third try succeeds", finished, 20)
    task = await calls.until_finished(accepted)
    assert task["attempts"] == 3
    assert time.monotonic() - started >= 0.9 + 4.5
    assert "retrying" in seen
    assert len(await calls.messages(to)) == 1


async def test_a_refused_mail_is_dead_at_once_and_its_letter_says_why(
    calls: Calls, worker: Process, broker: Broker
) -> None:
    accepted = await calls.notify(address("bounce"))
    task = await calls.until_finished(accepted)
    assert (task["status"], task["attempts"]) == ("dead", 1)
    assert task["error"].startswith("mail-refused: the mail server answered 550")
    letter = await Dead(broker).letter(accepted.body["task_id"])
    assert (letter.headers[REASON_HEADER], letter.headers[SOURCE_HEADER]) == ("mail-refused", DEFAULT)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            '{{"task_id":"{id}","type":"paint_house","payload":{{}},"created_at":"2026-11-23T00:00:00Z"}}',
            "unknown-type",
        ),
        ('{{"task_id":"{id}","type":"send_email","payload":{{}},"created_at":"{now}"}}', "malformed"),
        ('{{"task_id":"{id}","type":"send_email","payload":{{}},"created_at":"2025-06-01T00:00:00Z"}}', "expired"),
        ("not JSON {id}", "malformed"),
    ],
)
async def test_a_message_that_no_handler_can_do_is_a_dead_letter_with_its_reason(
    calls: Calls, worker: Process, broker: Broker, body: str, reason: str
) -> None:
    mark = secrets.token_hex(8)
    publisher = Publisher(broker, "test")
    running = asyncio.create_task(publisher.run())
    await publisher.publish(DEFAULT, body.format(id=mark, now=datetime.now(UTC).isoformat()).encode(), {}, 10)
    running.cancel()
    assert (await Dead(broker).letter(mark)).headers[REASON_HEADER] == reason


async def test_a_payment_turns_its_order_paid(
    calls: Calls, worker: Process, make_order: Callable[..., str], mysql_group: MysqlGroup
) -> None:
    order_id = make_order()
    task = await calls.until_finished(await pay(calls, order_id))
    (charge,) = await calls.charges(order_id)
    assert task["result"]["charge_id"] == charge["id"]
    assert charge["amount"] == "19.90"
    (outbox,) = mysql_group.primary.ask(
        f"SELECT COUNT(*) AS n FROM hcs.outbox WHERE kind='cache' AND payload->>'$.orders[0]' = '{order_id}'"
    )
    assert outbox["n"] == 1


async def test_a_flaky_provider_is_asked_until_it_answers_and_charges_once(
    calls: Calls, worker: Process, make_order: Callable[..., str]
) -> None:
    order_id = make_order()
    task = await calls.until_finished(await pay(calls, order_id, "tok_flaky"))
    assert (task["status"], task["attempts"]) == ("succeeded", 3)
    assert len(await calls.charges(order_id)) == 1


async def test_a_declined_payment_is_dead_and_not_charged(
    calls: Calls, worker: Process, make_order: Callable[..., str]
) -> None:
    order_id = make_order()
    task = await calls.until_finished(await pay(calls, order_id, "tok_declined"))
    assert (task["status"], task["attempts"]) == ("dead", 1)
    assert task["error"].startswith("declined")
    assert await calls.charges(order_id) == []


async def test_a_repeated_keyed_payment_charges_once(
    calls: Calls, worker: Process, make_order: Callable[..., str]
) -> None:
    order_id, key = make_order(), secrets.token_hex(8)
    answers = [await pay(calls, order_id, "tok_ok", key) for _ in range(3)]
    await calls.until_finished(answers[0])
    assert len({answer.body["task_id"] for answer in answers}) == 1
    assert len(await calls.charges(order_id)) == 1


async def test_a_report_is_the_users_orders_of_the_period_as_csv_oldest_first(
    calls: Calls, worker: Process, make_order: Callable[..., str]
) -> None:
    user, start = f"u{secrets.token_hex(6)}", datetime(2026, 5, 1, tzinfo=UTC)
    made = [make_order(user=user, at=start + timedelta(days=day)) for day in (2, 0, 1)]
    make_order(user=user, at=start + timedelta(days=31))
    body = {"user_id": user, "from": start.isoformat(), "to": (start + timedelta(days=31)).isoformat()}
    accepted = await calls.post("/reports", body)
    await calls.until_finished(accepted)
    result = await calls.get(f"/tasks/{accepted.body['task_id']}/result")
    assert result.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(result.body, newline="")))
    assert [row["order_id"] for row in rows] == [made[1], made[2], made[0]]
    assert list(rows[0]) == ["order_id", "product_id", "quantity", "total_amount", "status", "created_at"]


async def test_a_dead_report_has_no_result(calls: Calls, worker: Process, mysql_group: MysqlGroup) -> None:
    period = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
    accepted = await calls.post("/reports", {"user_id": "ada", **period})
    await calls.until_finished(accepted)
    mysql_group.primary.run(f"UPDATE hcs.tasks SET status='dead' WHERE task_id='{accepted.body['task_id']}'")
    result = await calls.get(f"/tasks/{accepted.body['task_id']}/result")
    assert (result.status, result.body["type"]) == (409, "/problems/task-dead")


async def test_a_refund_message_gives_the_charge_back_once(
    calls: Calls, worker: Process, make_order: Callable[..., str], broker: Broker, mysql_group: MysqlGroup
) -> None:
    order_id = make_order()
    task = await calls.until_finished(await pay(calls, order_id))
    charge_id = task["result"]["charge_id"]
    body = {
        "task_id": f"refund-{charge_id}",
        "type": "refund_payment",
        "payload": {"order_id": order_id, "charge_id": charge_id},
        "created_at": datetime.now(UTC).isoformat(),
    }
    publisher = Publisher(broker, "test")
    running = asyncio.create_task(publisher.run())
    for _ in range(2):
        await publisher.publish(CRITICAL, json.dumps(body).encode(), {ATTEMPT_HEADER: 0}, 10)
    running.cancel()

    async def refunded() -> bool:
        (row,) = mysql_group.primary.ask(f"SELECT status FROM hcs.payments WHERE charge_id = '{charge_id}'")
        return bool(row["status"] == "refunded")

    await eventually("the payment is refunded", refunded)
    (charge,) = await calls.charges(order_id)
    assert charge["refunded"] is True
