"""Rows of the read API's calls."""

from tests.contract.api import Reply, unique
from tests.contract.rows_write_api import UNKNOWN_ORDER
from tests.contract.table import row
from tests.contract.world import World

PRODUCT, ORDER, LIST = "GET /products/{product_id}", "GET /orders/{order_id}", "GET /users/{user_id}/orders"
SOURCES = {"l1", "cache", "replica", "primary"}


@row(PRODUCT, 200)
async def reads_a_product(world: World) -> Reply:
    made = await world.product()
    path = f"/products/{made.json['product_id']}"
    reply = await world.api.call("GET", path, X_Consistency_Token=made.token)
    assert reply.json == made.json, reply
    assert reply.etag == made.etag, reply
    return reply


@row(PRODUCT, 304)
async def reads_a_product_it_has(world: World) -> Reply:
    made = await world.product()
    path = f"/products/{made.json['product_id']}"
    return await world.api.call("GET", path, X_Consistency_Token=made.token, If_None_Match=made.etag)


@row(PRODUCT, "product-not-found", status=404)
async def reads_no_product(world: World) -> Reply:
    return await world.api.call("GET", f"/products/{unique('p')}")


@row(ORDER, 200)
async def reads_an_order(world: World) -> Reply:
    made = await world.order()
    path = f"/orders/{made.json['order_id']}"
    reply = await world.api.call("GET", path, X_Consistency_Token=made.token)
    assert reply.json == made.json, reply
    assert reply.etag == made.etag, reply
    assert reply.headers["x-data-source"] in SOURCES, reply
    assert int(reply.headers["age"]) >= 0, reply
    return reply


@row(ORDER, 200, "a relaxed reader whose token is met is told of nothing")
async def reads_relaxed(world: World) -> Reply:
    made = await world.order()
    path = f"/orders/{made.json['order_id']}"
    reply = await world.api.call("GET", path, X_Consistency_Token=made.token, X_Consistency="relaxed")
    assert reply.json == made.json, reply
    assert "x-consistency" not in reply.headers, reply
    return reply


@row(ORDER, 200, "from the primary when asked for")
async def reads_an_order_past_the_cache(world: World) -> Reply:
    made = await world.order()
    reply = await world.api.call("GET", f"/orders/{made.json['order_id']}", Cache_Control="no-cache")
    assert reply.headers["x-data-source"] == "primary", reply
    return reply


@row(ORDER, 200, "each change is seen by whoever carries its token")
async def reads_its_own_changes(world: World) -> Reply:
    reply = made = await world.order()
    for step in ("PAID", "SHIPPED", "DELIVERED"):
        made = await world.change(made, "PATCH", {"status": step})
        reply = await world.api.call("GET", f"/orders/{made.json['order_id']}", X_Consistency_Token=made.token)
        assert (reply.json["status"], reply.json["version"]) == (step, made.json["version"]), reply
    return reply


@row(ORDER, 304)
async def reads_an_order_it_has(world: World) -> Reply:
    made = await world.order()
    path = f"/orders/{made.json['order_id']}"
    return await world.api.call("GET", path, X_Consistency_Token=made.token, If_None_Match=made.etag)


@row(ORDER, "order-not-found", status=404)
async def reads_no_order(world: World) -> Reply:
    return await world.api.call("GET", f"/orders/{UNKNOWN_ORDER}")


@row(ORDER, "order-not-found", "a malformed id", status=404)
async def reads_an_order_that_cannot_be(world: World) -> Reply:
    return await world.api.call("GET", "/orders/not-an-id")


@row(LIST, 200)
async def lists_a_users_orders_newest_first(world: World) -> Reply:
    user = unique("u")
    made = [await world.order(user=user) for _ in range(3)]
    path = f"/users/{user}/orders?limit=2"
    reply = await world.api.call("GET", path, X_Consistency_Token=made[-1].token)
    rest = await world.api.call("GET", f"{path}&cursor={reply.json['next_cursor']}", X_Consistency_Token=made[-1].token)
    listed = [item["order_id"] for item in reply.json["items"] + rest.json["items"]]
    assert listed == [each.json["order_id"] for each in reversed(made)], (reply, rest)
    assert rest.json["next_cursor"] is None, rest
    return reply


@row(LIST, 200, "of nobody")
async def lists_nothing(world: World) -> Reply:
    reply = await world.api.call("GET", f"/users/{unique('u')}/orders")
    assert reply.json == {"items": [], "next_cursor": None}, reply
    return reply


@row(LIST, "malformed-cursor", status=400)
async def lists_from_nowhere(world: World) -> Reply:
    return await world.api.call("GET", f"/users/{unique('u')}/orders?cursor=nowhere")


for _limit in ("0", "101", "-1", "many"):

    @row(LIST, "validation-failed", f"limit={_limit}", status=422)
    async def lists_too_many(world: World, limit: str = _limit) -> Reply:
        return await world.api.call("GET", f"/users/{unique('u')}/orders?limit={limit}")
