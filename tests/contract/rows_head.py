"""Rows of HEAD, which answers wherever GET does: the same fields, and no body."""

from tests.contract.api import PREFIX, Reply, unique
from tests.contract.table import HEAD, row
from tests.contract.world import World

SAME = ("content-type", "etag", "x-served-by")


async def head_as_get(world: World, path: str, *, prefix: str = PREFIX, **headers: str) -> Reply:
    """Ask with HEAD for what GET has just answered; returns the answer to HEAD."""
    got = await world.api.call("GET", path, prefix=prefix, **headers)
    assert got.status == 200, got
    assert got.body, got
    reply = await world.api.call("HEAD", path, prefix=prefix, **headers)
    for name in SAME:
        assert reply.headers.get(name) == got.headers.get(name), (name, reply, got)
    return reply


@row(HEAD, 200, "/products/{product_id}")
async def of_a_product(world: World) -> Reply:
    made = await world.product()
    return await head_as_get(world, f"/products/{made.json['product_id']}", X_Consistency_Token=made.token)


@row(HEAD, 200, "/orders/{order_id}")
async def of_an_order(world: World) -> Reply:
    made = await world.order()
    return await head_as_get(world, f"/orders/{made.json['order_id']}", X_Consistency_Token=made.token)


@row(HEAD, 200, "/users/{user_id}/orders")
async def of_a_list(world: World) -> Reply:
    return await head_as_get(world, f"/users/{unique('u')}/orders")


@row(HEAD, 200, "/tasks/{task_id}")
async def of_a_task(world: World) -> Reply:
    task = await world.settled(await world.notification())
    return await head_as_get(world, f"/tasks/{task.json['task_id']}")


@row(HEAD, 200, "/tasks/{task_id}/result")
async def of_a_result(world: World) -> Reply:
    task = await world.settled(await world.report(unique("u")))
    return await head_as_get(world, f"/tasks/{task.json['task_id']}/result")


@row(HEAD, 200, "/openapi/{service}.json")
async def of_a_document(world: World) -> Reply:
    return await head_as_get(world, "/openapi/gateway.json")


@row(HEAD, 200, "/healthz")
async def of_health(world: World) -> Reply:
    return await head_as_get(world, "/healthz", prefix="")
