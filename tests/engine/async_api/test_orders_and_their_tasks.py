"""Orders of the write API and the tasks they cause: the confirmation mail, the payment, the refund of a cancelled one."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from redis import Redis
from tests.engine.async_api.calls import Answer, Calls
from tests.engine.async_api.waiting import eventually
from tests.engine.brokers import RedisServer
from tests.engine.worker.task_stack import Process, TaskStack

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def write_api(task_stack: TaskStack) -> Process:
    return task_stack.tier("write-api")


@pytest.fixture(scope="module", autouse=True)
def worker(task_stack: TaskStack) -> Process:
    return task_stack.tier("worker")


@pytest.fixture
async def order(calls: Calls, write_api: Process) -> dict[str, Any]:
    """A new order of a product of its own."""
    product_id, user_id = f"p{secrets.token_hex(6)}", f"u{secrets.token_hex(6)}"
    product = {"product_id": product_id, "name": "A book", "price": "19.90", "stock": 5}
    assert (await calls.write(write_api, "POST", "/products", product)).status == 201
    body = {"user_id": user_id, "product_id": product_id, "quantity": 2}
    created = await calls.write(write_api, "POST", "/orders", body)
    assert created.status == 201, created
    document: dict[str, Any] = created.body
    return document


async def paid(calls: Calls, order: dict[str, Any]) -> dict[str, Any]:
    """The task that paid the order."""
    body = {"order_id": order["order_id"], "amount": "39.80", "currency": "EUR", "method_token": "tok_ok"}
    task = await calls.until_finished(await calls.post("/payments", body))
    assert task["status"] == "succeeded", task
    return task


async def cancel(calls: Calls, write_api: Process, order_id: str, version: int) -> Answer:
    return await calls.write(write_api, "DELETE", f"/orders/{order_id}", None, {"If-Match": f'"{version}"'})


async def test_a_created_order_is_confirmed_by_one_mail(calls: Calls, order: dict[str, Any]) -> None:
    to = f"{order['user_id']}@customers.example"

    async def arrived() -> bool:
        return bool(await calls.messages(to))

    await eventually("the confirmation", arrived)
    (message,) = await calls.messages(to)
    assert order["order_id"] in message["subject"]


async def test_a_paid_order_is_a_new_version_for_the_write_api_and_the_cache(
    calls: Calls, write_api: Process, order: dict[str, Any], redis_server: RedisServer
) -> None:
    task = await paid(calls, order)
    version = task["result"]["order_version"]
    assert version > order["version"]
    with Redis.from_url(redis_server.url, password=redis_server.password) as redis:

        async def cached() -> bool:  # put after the commit that also shows the task as succeeded
            entry = redis.get(f"o:{order['order_id']}")
            return isinstance(entry, bytes) and b'"PAID"' in entry

        await eventually("the paid order in the cache", cached)
    body = {"status": "SHIPPED"}
    shipped = await calls.write(write_api, "PATCH", f"/orders/{order['order_id']}", body, {"If-Match": f'"{version}"'})
    assert (shipped.status, shipped.body["status"]) == (200, "SHIPPED")


async def test_cancelling_a_paid_order_refunds_its_charge(
    calls: Calls, write_api: Process, order: dict[str, Any]
) -> None:
    task = await paid(calls, order)
    cancelled = await cancel(calls, write_api, order["order_id"], task["result"]["order_version"])
    assert (cancelled.status, cancelled.body["status"]) == (200, "CANCELLED")

    async def refunded() -> bool:
        return [charge["refunded"] for charge in await calls.charges(order["order_id"])] == [True]

    await eventually("the refund", refunded)


async def test_an_order_cancelled_while_it_is_charged_ends_without_a_net_charge(
    calls: Calls, write_api: Process, order: dict[str, Any]
) -> None:
    body = {"order_id": order["order_id"], "amount": "39.80", "currency": "EUR", "method_token": "tok_slow_5000"}
    accepted = await calls.post("/payments", body)

    async def running() -> bool:
        return bool((await calls.get(f"/tasks/{accepted.body['task_id']}")).body["status"] == "running")

    await eventually("the payment runs", running)
    assert (await cancel(calls, write_api, order["order_id"], order["version"])).status == 200
    task = await calls.until_finished(accepted)
    assert task["status"] == "dead"
    assert task["error"].startswith("order-cancelled")

    async def refunded() -> bool:
        return [charge["refunded"] for charge in await calls.charges(order["order_id"])] == [True]

    await eventually("the refund", refunded)
