"""Rows of the async API's calls."""

import csv
import io

from tests.contract.api import Reply, unique
from tests.contract.rows_write_api import UNKNOWN_ORDER
from tests.contract.table import row
from tests.contract.world import World

NOTIFY, REPORT, PAY, SYNC = "POST /notifications", "POST /reports", "POST /payments", "POST /sync"
TASK, RESULT = "GET /tasks/{task_id}", "GET /tasks/{task_id}/result"
NO_TASK = "0" * 40
REPORT_LINE = ["order_id", "product_id", "quantity", "total_amount", "status", "created_at"]


@row(NOTIFY, 202)
async def accepts_a_notification(world: World) -> Reply:
    return await world.notification()


@row(REPORT, 202)
async def accepts_a_report(world: World) -> Reply:
    return await world.report(unique("u"))


@row(PAY, 202)
async def accepts_a_payment_and_makes_it(world: World) -> Reply:
    order = await world.order()
    accepted = await world.payment(order)
    task = await world.settled(accepted)
    assert task.json["status"] == "succeeded", task
    paid = await world.api.call("GET", f"/orders/{order.json['order_id']}", Cache_Control="no-cache")
    assert paid.json["status"] == "PAID", paid
    return accepted


@row(PAY, 202, "a repeat under its key is the same task")
async def accepts_a_payment_once(world: World) -> Reply:
    order, key = await world.order(), unique("k")
    body = {"order_id": order.json["order_id"], "amount": "19.90", "currency": "EUR", "method_token": "tok_ok"}
    first = await world.api.call("POST", "/payments", body, Idempotency_Key=key)
    again = await world.api.call("POST", "/payments", body, Idempotency_Key=key)
    assert first.json["task_id"] == again.json["task_id"], again
    assert again.headers["idempotency-replayed"] == "true", again
    return again


@row(SYNC, 202)
async def accepts_a_sync(world: World) -> Reply:
    return await world.api.call("POST", "/sync", {"since": "2099-01-01T00:00:00Z"})


@row(TASK, 200)
async def follows_a_task(world: World) -> Reply:
    accepted = await world.notification()
    reply = await world.api.call("GET", f"/tasks/{accepted.json['task_id']}")
    assert reply.json["type"] == "send_email", reply
    await world.settled(accepted)
    return reply


@row(TASK, 200, "a declined payment is dead and says why")
async def follows_a_task_to_its_death(world: World) -> Reply:
    task = await world.settled(await world.payment(await world.order(), method_token="tok_declined"))
    assert task.json["status"] == "dead", task
    assert task.json["error"], task
    return task


@row(TASK, 200, "a payment of no order, and why it is dead")
async def pays_an_unknown_order(world: World) -> Reply:
    return await dead(world, await world.payment(await world.order(), order_id=UNKNOWN_ORDER), "unknown-order")


@row(TASK, 200, "a payment of another amount, and why it is dead")
async def pays_another_amount(world: World) -> Reply:
    return await dead(world, await world.payment(await world.order(), amount="19.91"), "amount-mismatch")


@row(TASK, 200, "a payment of a cancelled order, and why it is dead")
async def pays_a_cancelled_order(world: World) -> Reply:
    return await dead(world, await world.payment(await world.order_in("CANCELLED")), "order-cancelled")


@row(TASK, 200, "a second payment of an order, and why it is dead")
async def pays_a_paid_order(world: World) -> Reply:
    return await dead(world, await world.payment(await world.order_in("PAID")), "already-paid")


async def dead(world: World, accepted: Reply, reason: str) -> Reply:
    """Wait for a task's end, which is to be its death for this reason, at its first try."""
    task = await world.settled(accepted)
    assert (task.json["status"], task.json["attempts"]) == ("dead", 1), task
    assert reason in str(task.json["error"]), task
    return task


@row(TASK, "task-not-found", status=404)
async def follows_no_task(world: World) -> Reply:
    return await world.api.call("GET", f"/tasks/{NO_TASK}")


@row(RESULT, 200, "a report")
async def fetches_a_report(world: World) -> Reply:
    user = unique("u")
    orders = [await world.order(user=user) for _ in range(2)]
    accepted = await world.report(user)
    await world.settled(accepted)
    reply = await world.api.call("GET", f"/tasks/{accepted.json['task_id']}/result")
    assert reply.headers["content-type"].startswith("text/csv"), reply
    lines = list(csv.reader(io.StringIO(reply.body.decode())))
    assert lines[0] == REPORT_LINE, reply
    assert [line[0] for line in lines[1:]] == [order.json["order_id"] for order in orders], reply
    return reply


@row(RESULT, 200, "a sync's manifest")
async def fetches_a_manifest(world: World) -> Reply:
    order = await world.order()
    accepted = await world.api.call("POST", "/sync", {"since": order.json["created_at"]})
    await world.settled(accepted)
    reply = await world.api.call("GET", f"/tasks/{accepted.json['task_id']}/result")
    assert reply.json.keys() == {"objects", "since", "until"}, reply
    for item in reply.json["objects"]:
        assert item.keys() == {"key", "orders", "bytes", "sha256"}, reply
    return reply


@row(RESULT, "task-not-found", status=404)
async def fetches_from_no_task(world: World) -> Reply:
    return await world.api.call("GET", f"/tasks/{NO_TASK}/result")


@row(RESULT, "result-not-found", status=404)
async def fetches_from_a_task_without_a_result(world: World) -> Reply:
    accepted = await world.notification()
    await world.settled(accepted)
    return await world.api.call("GET", f"/tasks/{accepted.json['task_id']}/result")


@row(RESULT, "not-finished", status=409)
async def fetches_too_early(world: World) -> Reply:
    # a report is quick: one that is asked for at once is nearly always not there yet, one of twenty surely is not
    for _ in range(20):
        accepted = await world.report(unique("u"))
        reply = await world.api.call("GET", f"/tasks/{accepted.json['task_id']}/result")
        if reply.status == 409:
            return reply
    return reply
