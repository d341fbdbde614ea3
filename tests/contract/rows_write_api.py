"""Rows of the write API's calls."""

from typing import Any

from tests.contract.api import Reply, unique
from tests.contract.table import row
from tests.contract.world import World

CREATE, RESTOCK, ORDER = "POST /products", "POST /products/{product_id}/restock", "POST /orders"
PATCH, DELETE = "PATCH /orders/{order_id}", "DELETE /orders/{order_id}"
UNKNOWN_ORDER = "0000000000000" + "0"  # well-formed: its check symbol is right
STALE = '"1"'


def product(**changes: Any) -> dict[str, Any]:
    return {"product_id": unique("p"), "name": "A thing", "price": "19.90", "stock": 5, **changes}


def order(product_id: str, **changes: Any) -> dict[str, Any]:
    return {"user_id": unique("u"), "product_id": product_id, "quantity": 1, **changes}


async def ordered(world: World, price: str = "19.90", **changes: Any) -> Reply:
    made = await world.product(price=price, stock=10**9)
    return await world.api.call("POST", "/orders", order(made.json["product_id"], **changes))


@row(CREATE, 201)
async def creates_a_product(world: World) -> Reply:
    return await world.api.call("POST", "/products", product())


@row(CREATE, 201, "one decimal place is answered with two")
async def creates_a_product_with_one_decimal_place(world: World) -> Reply:
    reply = await world.api.call("POST", "/products", product(price="19.9"))
    assert reply.json["price"] == "19.90", reply
    return reply


@row(CREATE, "product-exists", status=409)
async def creates_a_product_twice(world: World) -> Reply:
    body = product()
    await world.api.call("POST", "/products", body)
    return await world.api.call("POST", "/products", body)


@row(RESTOCK, 200)
async def restocks(world: World) -> Reply:
    made = await world.product(stock=5)
    reply = await world.api.call("POST", f"/products/{made.json['product_id']}/restock", {"quantity": 7})
    assert reply.json["stock"] == 12, reply
    assert reply.json["version"] > made.json["version"], reply
    return reply


@row(RESTOCK, "product-not-found", status=404)
async def restocks_nothing(world: World) -> Reply:
    return await world.api.call("POST", f"/products/{unique('p')}/restock", {"quantity": 1})


@row(RESTOCK, "stock-limit", status=422)
async def restocks_over_the_limit(world: World) -> Reply:
    made = await world.product(stock=1)
    return await world.api.call("POST", f"/products/{made.json['product_id']}/restock", {"quantity": 10**9})


@row(ORDER, 201)
async def creates_an_order(world: World) -> Reply:
    reply = await ordered(world, quantity=2, total_amount="39.80")
    assert (reply.json["status"], reply.json["total_amount"]) == ("PENDING", "39.80"), reply
    assert reply.headers["location"] == f"/api/v1/orders/{reply.json['order_id']}", reply
    return reply


@row(ORDER, 201, "a free one is born PAID")
async def creates_a_free_order(world: World) -> Reply:
    reply = await ordered(world, price="0.00")
    assert reply.json["status"] == "PAID", reply
    return reply


@row(ORDER, "product-not-found", status=404)
async def orders_nothing(world: World) -> Reply:
    return await world.api.call("POST", "/orders", order(unique("p")))


@row(ORDER, "insufficient-stock", status=409)
async def orders_more_than_there_is(world: World) -> Reply:
    made = await world.product(stock=1)
    return await world.api.call("POST", "/orders", order(made.json["product_id"], quantity=2))


@row(ORDER, "amount-mismatch", status=422)
async def orders_for_another_amount(world: World) -> Reply:
    return await ordered(world, total_amount="19.91")


@row(ORDER, "amount-too-large", status=422)
async def orders_for_too_much(world: World) -> Reply:
    return await ordered(world, price="9999999999.99", quantity=2)


@row(PATCH, 200)
async def pays_ships_and_delivers(world: World) -> Reply:
    return await world.order_in("DELIVERED")


@row(PATCH, "order-not-found", status=404)
async def changes_an_unknown_order(world: World) -> Reply:
    return await world.api.call("PATCH", f"/orders/{UNKNOWN_ORDER}", {"status": "PAID"}, If_Match=STALE)


@row(PATCH, "illegal-transition", "a step left out", status=409)
async def ships_an_unpaid_order(world: World) -> Reply:
    made = await world.order()
    path = f"/orders/{made.json['order_id']}"
    return await world.api.call("PATCH", path, {"status": "SHIPPED"}, If_Match=made.etag)


@row(PATCH, "illegal-transition", "backwards", status=409)
async def leads_an_order_backwards(world: World) -> Reply:
    shipped = await world.order_in("SHIPPED")
    path = f"/orders/{shipped.json['order_id']}"
    return await world.api.call("PATCH", path, {"status": "PAID"}, If_Match=shipped.etag)


@row(PATCH, "illegal-transition", "to CANCELLED", status=409)
async def patches_an_order_to_cancelled(world: World) -> Reply:
    made = await world.order()
    path = f"/orders/{made.json['order_id']}"
    return await world.api.call("PATCH", path, {"status": "CANCELLED"}, If_Match=made.etag)


@row(DELETE, 200)
async def cancels_an_order_and_returns_its_stock(world: World) -> Reply:
    made = await world.product(stock=3)
    placed = await world.api.call("POST", "/orders", order(made.json["product_id"], quantity=2))
    reply = await world.change(placed, "DELETE")
    assert reply.json["status"] == "CANCELLED", reply
    now = await world.api.call("GET", f"/products/{made.json['product_id']}", X_Consistency_Token=reply.token)
    assert now.json["stock"] == 3, now
    return reply


@row(DELETE, 200, "a PAID one")
async def cancels_a_paid_order(world: World) -> Reply:
    reply = await world.change(await world.order_in("PAID"), "DELETE")
    assert reply.json["status"] == "CANCELLED", reply
    return reply


@row(DELETE, "order-not-found", status=404)
async def cancels_an_unknown_order(world: World) -> Reply:
    return await world.api.call("DELETE", f"/orders/{UNKNOWN_ORDER}", If_Match=STALE)


@row(DELETE, "illegal-transition", "shipped", status=409)
async def cancels_a_shipped_order(world: World) -> Reply:
    return await cancelled(world, "SHIPPED")


@row(DELETE, "illegal-transition", "cancelled before", status=409)
async def cancels_an_order_twice(world: World) -> Reply:
    return await cancelled(world, "CANCELLED")


async def cancelled(world: World, status: str) -> Reply:
    made = await world.order_in(status)
    return await world.api.call("DELETE", f"/orders/{made.json['order_id']}", If_Match=made.etag)


async def conditional(world: World, call: str, **headers: str) -> Reply:
    made = await world.order()
    method = call.partition(" ")[0]
    body = {"status": "PAID"} if method == "PATCH" else None
    return await world.api.call(method, f"/orders/{made.json['order_id']}", body, **headers)


@row(PATCH, "precondition-failed", status=412)
async def changes_another_version(world: World) -> Reply:
    return await conditional(world, PATCH, If_Match=STALE)


@row(PATCH, "precondition-required", status=428)
async def changes_without_a_version(world: World) -> Reply:
    return await conditional(world, PATCH)


@row(DELETE, "precondition-failed", status=412)
async def cancels_another_version(world: World) -> Reply:
    return await conditional(world, DELETE, If_Match=STALE)


@row(DELETE, "precondition-required", status=428)
async def cancels_without_a_version(world: World) -> Reply:
    return await conditional(world, DELETE)
