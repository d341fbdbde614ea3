"""No accepted task is lost or done twice by a worker that is killed, stopped or drained, nor by an engine that restarts."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.engine.async_api.calls import Answer, Calls, address, pay
from tests.engine.async_api.waiting import eventually
from tests.engine.brokers import RabbitmqServer
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.worker.task_stack import Process, TaskStack

pytestmark = pytest.mark.engine


async def inflight(calls: Calls, process: Process) -> dict[str, Any]:
    state: dict[str, Any] = (await calls.admin(process, "GET", "/inflight")).body
    return state


async def test_a_worker_killed_while_it_charges_leaves_its_task_to_the_next_one(
    calls: Calls, alone: TaskStack, make_order: Callable[..., str]
) -> None:
    order_id, worker = make_order(), alone.tier("worker")
    accepted = await pay(calls, order_id, "tok_slow_1500")

    async def running() -> bool:
        return bool((await calls.get(f"/tasks/{accepted.body['task_id']}")).body["status"] == "running")

    await eventually("the task runs", running)
    worker.kill()
    alone.tier("worker")
    task = await calls.until_finished(accepted)
    assert task["status"] == "succeeded"
    assert len(await calls.charges(order_id)) == 1


async def test_of_many_payments_each_is_charged_once_though_a_worker_is_killed_and_every_accept_is_repeated(
    calls: Calls, worker: Process, task_stack: TaskStack, make_order: Callable[..., str], mysql_group: MysqlGroup
) -> None:
    doomed = task_stack.tier("worker")
    orders = [make_order() for _ in range(60)]
    accepted = await asyncio.gather(*(pay(calls, order_id, "tok_slow_200", f"k-{order_id}") for order_id in orders))

    async def half_done() -> bool:
        return sum([len(await calls.charges(order_id)) for order_id in orders[:20]]) >= 10

    await eventually("some are charged", half_done, 30)
    doomed.kill()
    mysql_group.primary.run("UPDATE hcs.idempotency_keys SET accepted = 0 WHERE idem_key LIKE 'k-%'")
    repeated = await asyncio.gather(*(pay(calls, order_id, "tok_slow_200", f"k-{order_id}") for order_id in orders))
    assert [answer.body["task_id"] for answer in repeated] == [answer.body["task_id"] for answer in accepted]
    tasks = [await calls.until_finished(answer, 60) for answer in accepted]
    assert {task["status"] for task in tasks} == {"succeeded"}
    assert [len(await calls.charges(order_id)) for order_id in orders] == [1] * len(orders)


async def test_a_hundred_and_fifty_mails_are_noted_once_each_in_fewer_commits_though_a_worker_is_killed(
    calls: Calls, alone: TaskStack, mysql_group: MysqlGroup
) -> None:
    domain = f"{secrets.token_hex(6)}.example"
    accepted = await asyncio.gather(*(calls.notify(f"a{number}@{domain}") for number in range(150)))
    assert {answer.status for answer in accepted} == {202}
    before = commits(mysql_group)
    doomed = alone.tier("worker", WORKER_CONCURRENCY="16", WORKER_PREFETCH="32")

    async def noted(least: int) -> bool:
        (row,) = mysql_group.primary.ask(
            "SELECT COUNT(*) AS n FROM hcs.tasks JOIN hcs.notifications USING (task_id) JOIN hcs.inbox USING (task_id)"
            " WHERE recipient LIKE %s AND status = 'succeeded'",
            f"%@{domain}",
        )
        return bool(row["n"] >= least)

    await eventually("some are noted", lambda: noted(40), 30)
    doomed.kill()
    alone.tier("worker", WORKER_CONCURRENCY="16", WORKER_PREFETCH="32")
    await eventually("all are noted", lambda: noted(150), 30)

    assert commits(mysql_group) - before < 150
    sent = {message["message_id"] for message in await calls.messages_of(domain)}
    assert sent == {f"<{answer.body['task_id']}@tasks.hcs.invalid>" for answer in accepted}


def commits(group: MysqlGroup) -> int:
    """How many transactions the group has committed."""
    (row,) = group.primary.ask("SELECT @@GLOBAL.gtid_executed AS executed")
    intervals = re.findall(r":(\d+)(?:-(\d+))?", row["executed"])
    return sum(int(last or first) - int(first) + 1 for first, last in intervals)


async def test_sigterm_finishes_what_runs_gives_back_what_does_not_and_ends_with_zero(
    calls: Calls, alone: TaskStack, make_order: Callable[..., str]
) -> None:
    first = alone.tier("worker", WORKER_CONCURRENCY="1", WORKER_PREFETCH="2")
    orders = [make_order(), make_order()]
    accepted = [await pay(calls, order_id, "tok_slow_5000") for order_id in orders]

    async def held_and_begun() -> bool:
        begun = (await calls.get(f"/tasks/{accepted[0].body['task_id']}")).body["status"] == "running"
        return begun and bool((await inflight(calls, first))["inflight"] == 2)

    await eventually("both are delivered and the first one runs", held_and_begun)
    assert await asyncio.to_thread(first.terminate) == 0
    states = [(await calls.get(f"/tasks/{answer.body['task_id']}")).body["status"] for answer in accepted]
    assert states == ["succeeded", "queued"]
    alone.tier("worker")
    await calls.until_finished(accepted[1])


async def test_a_drained_worker_takes_nothing_until_its_time_is_up(
    calls: Calls, alone: TaskStack, credentials: Path
) -> None:
    worker = alone.tier("worker")
    token = (credentials / "tokens" / "drain").read_text()
    refused = await calls.admin(
        worker, "POST", "/drain", json={"ttl_seconds": 2}, headers={"Authorization": "Bearer x"}
    )
    assert refused.status == 401
    headers, started = {"Authorization": f"Bearer {token}"}, time.monotonic()
    drained = await calls.admin(worker, "POST", "/drain", json={"ttl_seconds": 2}, headers=headers)
    assert (drained.status, drained.body["draining"], drained.body["inflight"]) == (200, True, 0)
    task = await calls.until_finished(await calls.notify(address()))
    assert task["status"] == "succeeded"
    assert time.monotonic() - started >= 2
    assert not (await inflight(calls, worker))["draining"]


async def test_no_accepted_task_is_lost_over_restarts_of_the_broker_and_the_database(
    calls: Calls, worker: Process, rabbitmq_server: RabbitmqServer, mysql_group: MysqlGroup
) -> None:
    addresses = [address() for _ in range(60)]
    accepted: list[Answer] = []

    async def trickle() -> None:
        for to in addresses:
            answer = await calls.notify(to)
            if answer.status == 202:
                accepted.append(answer)
            await asyncio.sleep(0.05)

    async def restarts() -> None:
        await asyncio.sleep(0.5)
        await asyncio.to_thread(rabbitmq_server.container.kill)
        await asyncio.to_thread(rabbitmq_server.container.start)
        await asyncio.sleep(0.5)
        mysql_group.primary.container.pause()
        await asyncio.sleep(3)
        mysql_group.primary.container.unpause()

    await asyncio.gather(trickle(), restarts())
    for answer in accepted:
        task = await calls.until_finished(answer, 60)
        assert (task["status"], task["attempts"]) == ("succeeded", 1)
    ids = [message["message_id"] for to in addresses for message in await calls.messages(to)]
    assert {f"<{answer.body['task_id']}@tasks.hcs.invalid>" for answer in accepted} <= set(ids)
