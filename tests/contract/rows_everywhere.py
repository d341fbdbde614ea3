"""Rows of what holds for every call: keys, syntax, bounds, methods, documents."""

import asyncio
from typing import Any

from tests.contract.api import Reply, unique
from tests.contract.rows_write_api import product
from tests.contract.table import row
from tests.contract.world import World

ANY, DOCUMENT, HEALTH = "any", "GET /openapi/{service}.json", "GET /healthz"
JSON = "application/json"
DEEP = b'{"a":' * 17 + b"1" + b"}" * 17

MALFORMED = {
    "no body": b"", "half a document": b'{"a":', "bare words": b"hello", "not a number": b'{"stock":NaN}',
    "a member twice": b'{"stock":1,"stock":2}', "not UTF-8": b'{"name":"\xff"}', "seventeen deep": DEEP,
}  # fmt: skip
for _note, _body in MALFORMED.items():

    @row(ANY, "malformed-json", _note, status=400)
    async def sends_no_json(world: World, body: bytes = _body) -> Reply:
        return await world.api.call("POST", "/products", body=body, Content_Type=JSON)


INVALID: dict[str, tuple[str, dict[str, Any]]] = {
    "a number for money": ("/products", product(price=19.9)),
    "three decimal places": ("/products", product(price="1.999")),
    "a negative price": ("/products", product(price="-1.00")),
    "a price over the bound": ("/products", product(price="10000000000.00")),
    "stock below zero": ("/products", product(stock=-1)),
    "stock over the bound": ("/products", product(stock=10**9 + 1)),
    "text for a number": ("/products", product(stock="5")),
    "a blank in an id": ("/products", product(product_id="a b")),
    "one dot for an id": ("/products", product(product_id=".")),
    "two dots for an id": ("/products", product(product_id="..")),
    "two dots for a user": ("/orders", {"user_id": "..", "product_id": "p", "quantity": 1}),
    "an id too long": ("/products", product(product_id="a" * 65)),
    "an empty name": ("/products", product(name="")),
    "a control character": ("/products", product(name="a\x00b")),
    "an unknown field": ("/products", product(colour="red")),
    "a list": ("/products", []),  # type: ignore[dict-item]
    "no quantity": ("/orders", {"user_id": "u", "product_id": "p"}),
    "quantity zero": ("/orders", {"user_id": "u", "product_id": "p", "quantity": 0}),
    "quantity over the bound": ("/orders", {"user_id": "u", "product_id": "p", "quantity": 10_001}),
    "a number for a total": ("/orders", {"user_id": "u", "product_id": "p", "quantity": 1, "total_amount": 19.9}),
    "restock by zero": ("/products/p/restock", {"quantity": 0}),
    "no address": ("/notifications", {"user_id": "u", "to": "nobody", "subject": "s", "body": "b"}),
    "a body too long": ("/notifications", {"user_id": "u", "to": "a@b.example", "subject": "s", "body": "b" * 20_001}),
    "a span backwards": ("/reports", {"user_id": "u", "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}),
    "a time without a zone": ("/sync", {"since": "2026-01-01T00:00:00"}),
    "a lower-case currency": ("/payments", {"order_id": "0", "amount": "1", "currency": "eur", "method_token": "t"}),
}
for _note, (_path, _document) in INVALID.items():

    @row(ANY, "validation-failed", _note, status=422)
    async def sends_something_invalid(world: World, path: str = _path, document: Any = _document) -> Reply:
        reply = await world.api.call("POST", path, document)
        assert reply.json["errors"], reply
        return reply


@row(ANY, "validation-failed", "an unknown status", status=422)
async def sends_an_unknown_status(world: World) -> Reply:
    order = await world.order()
    return await world.api.call("PATCH", f"/orders/{order.json['order_id']}", {"status": "LOST"}, If_Match=order.etag)


@row(ANY, "unsupported-media-type", status=415)
async def sends_a_form(world: World) -> Reply:
    return await world.api.call("POST", "/products", body=b"a=b", Content_Type="application/x-www-form-urlencoded")


@row(ANY, "body-too-large", status=413)
async def sends_too_much(world: World) -> Reply:
    return await world.api.call("POST", "/products", body=b"a" * 65_537, Content_Type=JSON)


@row(ANY, "malformed-idempotency-key", "too long", status=400)
async def sends_a_long_key(world: World) -> Reply:
    return await world.api.call("POST", "/products", product(), Idempotency_Key="k" * 256)


@row(ANY, "malformed-idempotency-key", "empty", status=400)
async def sends_an_empty_key(world: World) -> Reply:
    return await world.api.call("POST", "/products", product(), Idempotency_Key='""')


@row(ANY, "idempotency-key-reused", status=422)
async def sends_another_body_under_its_key(world: World) -> Reply:
    body, key = product(), unique("k")
    await world.api.call("POST", "/products", body, Idempotency_Key=key)
    return await world.api.call("POST", "/products", {**body, "stock": 6}, Idempotency_Key=key)


@row(ANY, "request-in-flight", status=409)
async def sends_the_same_many_times_at_once(world: World) -> Reply:
    """A restock takes its key with its first write and has it to itself until it is committed. An order would not do: those
    of one product that one process has go together, and find the answer of the first.
    """
    made = (await world.product(stock=5)).json["product_id"]
    # that all others of a round come only after its one restock is committed happens, of ten rounds surely not
    replies: list[Reply] = []
    for stock in range(6, 16):
        key = unique("k")
        path, body = f"/products/{made}/restock", {"quantity": 1}
        replies = await asyncio.gather(*(world.api.call("POST", path, body, Idempotency_Key=key) for _ in range(16)))
        assert {reply.json["stock"] for reply in replies if reply.status == 200} == {stock}, list(map(str, replies))
        refused = [reply for reply in replies if reply.status != 200]
        if refused:
            assert refused[0].headers["retry-after"] == "1", refused[0]
            return refused[0]
    return replies[0]


@row("POST /products", 201, "a repeat under its key is the same answer")
async def sends_the_same_under_its_key(world: World) -> Reply:
    body, key = product(), unique("k")
    first = await world.api.call("POST", "/products", body, Idempotency_Key=key)
    again = await world.api.call("POST", "/products", body, Idempotency_Key=f'"{key}"')
    assert (again.json, again.etag) == (first.json, first.etag), again
    assert "idempotency-replayed" not in first.headers, first
    assert again.headers["idempotency-replayed"] == "true", again
    return again


@row("POST /orders", 201, "a repeat under its key sells nothing more")
async def orders_once_under_its_key(world: World) -> Reply:
    made = (await world.product(stock=5)).json["product_id"]
    body = {"user_id": unique("u"), "product_id": made, "quantity": 2}
    reply = await repeated(world, "/orders", body)
    now = await world.api.call("GET", f"/products/{made}", X_Consistency_Token=reply.token)
    assert now.json["stock"] == 3, now
    return reply


@row("POST /products/{product_id}/restock", 200, "a repeat under its key adds nothing more")
async def restocks_once_under_its_key(world: World) -> Reply:
    made = await world.product(stock=5)
    reply = await repeated(world, f"/products/{made.json['product_id']}/restock", {"quantity": 7})
    assert reply.json["stock"] == 12, reply
    return reply


TASKS: dict[str, dict[str, Any]] = {
    "/notifications": {"user_id": "u", "to": "ada@customers.example", "subject": "Hello", "body": "A line."},
    "/reports": {"user_id": "u", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"},
    "/sync": {"since": "2099-01-01T00:00:00Z"},
}
for _path, _document in TASKS.items():

    @row(f"POST {_path}", 202, "a repeat under its key is the same task")
    async def makes_one_task_under_its_key(world: World, path: str = _path, document: Any = _document) -> Reply:
        return await repeated(world, path, document)


async def repeated(world: World, path: str, body: dict[str, Any]) -> Reply:
    """Send a body twice under one key; returns the second answer."""
    key = unique("k")
    first = await world.api.call("POST", path, body, Idempotency_Key=key)
    again = await world.api.call("POST", path, body, Idempotency_Key=key)
    kept = ("order_id", "product_id", "task_id", "version")
    assert [first.json.get(name) for name in kept] == [again.json.get(name) for name in kept], (first, again)
    assert "idempotency-replayed" not in first.headers, first
    assert again.headers["idempotency-replayed"] == "true", again
    return again


@row(ANY, "malformed-token", status=400)
async def sends_a_forged_token(world: World) -> Reply:
    made = await world.product()
    return await world.api.call("GET", f"/products/{made.json['product_id']}", X_Consistency_Token="forged")


@row(ANY, "route-not-found", status=404)
async def asks_for_an_unknown_route(world: World) -> Reply:
    return await world.api.call("GET", "/nothing-here")


ALLOWED = {
    "/products": "POST",
    "/products/p": "GET, HEAD",
    "/products/p/restock": "POST",
    "/orders": "POST",
    "/orders/o": "DELETE, GET, HEAD, PATCH",
    "/users/u/orders": "GET, HEAD",
    "/notifications": "POST",
    "/reports": "POST",
    "/payments": "POST",
    "/sync": "POST",
    "/tasks/t": "GET, HEAD",
    "/tasks/t/result": "GET, HEAD",
}
for _path, _allowed in ALLOWED.items():

    @row(ANY, "method-not-allowed", f"PUT {_path}", status=405)
    async def uses_a_wrong_method(world: World, path: str = _path, allowed: str = _allowed) -> Reply:
        reply = await world.api.call("PUT", path)
        assert set(reply.headers["allow"].split(", ")) == set(allowed.split(", ")), reply
        return reply


for _service in ("write-api", "async-api", "read-api", "gateway"):

    @row(DOCUMENT, 200, _service)
    async def reads_a_document(world: World, service: str = _service) -> Reply:
        reply = await world.api.call("GET", f"/openapi/{service}.json")
        assert reply.json["openapi"].startswith("3.1"), reply
        assert reply.json["paths"], reply
        return reply


@row(HEALTH, 200)
async def asks_for_health_as_a_load_balancer(world: World) -> Reply:
    return await world.api.call("GET", "/healthz", prefix="")
