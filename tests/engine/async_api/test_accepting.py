"""Accepting tasks: confirmed or 503, one task a key, and what is known of a task before any worker has seen it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.engine.async_api.calls import Calls
from tests.engine.brokers import RabbitmqServer
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.worker.task_stack import Process, TaskStack

from hcs_services.identifiers import new_task_id

pytestmark = pytest.mark.engine

PERIOD = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}


def address() -> str:
    return f"a{secrets.token_hex(6)}@customers.example"


async def test_a_task_that_no_worker_has_begun_is_queued(calls: Calls) -> None:
    accepted = await calls.notify(address())
    assert accepted.status == 202
    assert accepted.headers["Location"] == f"/api/v1/tasks/{accepted.body['task_id']}"
    assert (accepted.body["status"], accepted.body["attempts"]) == ("queued", 0)
    assert (await calls.get(f"/tasks/{accepted.body['task_id']}")).body == accepted.body


async def test_an_unkeyed_accept_touches_no_table(calls: Calls, mysql_group: MysqlGroup) -> None:
    count = "SELECT (SELECT COUNT(*) FROM hcs.idempotency_keys) + (SELECT COUNT(*) FROM hcs.tasks) AS n"
    before = mysql_group.primary.ask(count)
    assert (await calls.notify(address())).status == 202
    assert mysql_group.primary.ask(count) == before


async def test_a_repeated_key_answers_the_same_task_and_says_so(calls: Calls) -> None:
    key, to = secrets.token_hex(8), address()
    first, again = await calls.notify(to, key), await calls.notify(to, key)
    assert first.body["task_id"] == again.body["task_id"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_a_key_with_another_body_is_refused(calls: Calls) -> None:
    key = secrets.token_hex(8)
    await calls.notify(address(), key)
    refused = await calls.notify(address(), key)
    assert (refused.status, refused.body["type"]) == (422, "/problems/idempotency-key-reused")


async def test_many_requests_with_one_key_at_once_make_one_task(calls: Calls) -> None:
    key, to = secrets.token_hex(8), address()
    answers = await asyncio.gather(*(calls.notify(to, key) for _ in range(10)))
    assert {answer.status for answer in answers} <= {202, 409}
    assert len({answer.body["task_id"] for answer in answers if answer.status == 202}) == 1


async def test_a_repeat_of_a_key_that_was_never_marked_publishes_its_stored_task_again(
    calls: Calls, mysql_group: MysqlGroup, rabbitmq_server: RabbitmqServer
) -> None:
    key, to = secrets.token_hex(8), address()
    first = await calls.notify(to, key)
    mysql_group.primary.run(f"UPDATE hcs.idempotency_keys SET accepted = 0 WHERE idem_key = '{key}'")
    again = await calls.notify(to, key)
    assert (again.status, again.body["task_id"]) == (202, first.body["task_id"])
    (row,) = mysql_group.primary.ask(f"SELECT accepted FROM hcs.idempotency_keys WHERE idem_key = '{key}'")
    assert row["accepted"] == 1


async def test_without_a_broker_a_task_is_refused_with_retry_after_and_a_keyed_repeat_is_one_task(
    calls: Calls, rabbitmq_server: RabbitmqServer
) -> None:
    key, to = secrets.token_hex(8), address()
    rabbitmq_server.container.pause()
    try:
        refused = await calls.notify(to, key)
    finally:
        rabbitmq_server.container.unpause()
    assert (refused.status, refused.body["type"]) == (503, "/problems/queue-unavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    answers = [await calls.notify(to, key) for _ in range(2)]
    assert {answer.status for answer in answers} == {202}
    assert len({answer.body["task_id"] for answer in answers}) == 1


async def test_malformed_foreign_and_expired_ids_are_not_found(calls: Calls, credentials: Path) -> None:
    key = (credentials / "tokens" / "task").read_text().encode()
    old = new_task_id(key, "send_email", datetime.now(UTC) - timedelta(days=8))
    foreign = new_task_id(b"another stack's key", "send_email", datetime.now(UTC))
    for task_id in ("x", foreign, old, "%2e%2e"):
        assert (await calls.get(f"/tasks/{task_id}")).status == 404


async def test_a_sync_without_an_object_store_is_refused(calls: Calls) -> None:
    refused = await calls.post("/sync", {"since": "2026-01-01T00:00:00Z"})
    assert (refused.status, refused.body["type"]) == (503, "/problems/object-store-not-configured")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/notifications", {"user_id": "ada", "to": "no address", "subject": "s", "body": "b"}),
        ("/notifications", {"user_id": "ada", "to": "a@b.example", "subject": "two\nlines", "body": "b"}),
        ("/reports", {"user_id": "ada", "from": PERIOD["to"], "to": PERIOD["from"]}),
        ("/payments", {"order_id": "o", "amount": 19.9, "currency": "EUR", "method_token": "tok_ok"}),
        ("/payments", {"order_id": "o", "amount": "19.90", "currency": "eur", "method_token": "tok_ok"}),
        ("/sync", {"since": "yesterday"}),
        ("/sync", {"since": "2026-01-01T00:00:00Z", "more": 1}),
    ],
)
async def test_what_is_out_of_bounds_is_never_accepted(calls: Calls, path: str, body: dict[str, Any]) -> None:
    refused = await calls.post(path, body)
    assert (refused.status, refused.body["type"]) == (422, "/problems/validation-failed")


async def test_a_result_is_not_there_before_the_task_is_finished_nor_for_a_mail(calls: Calls) -> None:
    report = await calls.post("/reports", {"user_id": "ada", **PERIOD})
    waiting = await calls.get(f"/tasks/{report.body['task_id']}/result")
    assert (waiting.status, waiting.body["type"]) == (409, "/problems/not-finished")
    mail = await calls.notify(address())
    assert (await calls.get(f"/tasks/{mail.body['task_id']}/result")).status == 404


async def test_the_self_test_is_a_confirmed_publish(
    calls: Calls, async_api: Process, rabbitmq_server: RabbitmqServer
) -> None:
    assert (await calls.admin(async_api, "GET", "/selftest")).body["reason"] == "Confirmed"
    rabbitmq_server.container.pause()
    try:
        failed = await calls.admin(async_api, "GET", "/selftest")
    finally:
        rabbitmq_server.container.unpause()
    assert (failed.status, failed.body["reason"]) == (503, "QueueUnavailable")


async def test_sigterm_ends_the_async_api_with_zero(
    task_stack: TaskStack, tier_environment: Callable[[str], dict[str, str]]
) -> None:
    assert task_stack.tier("async-api").terminate() == 0
