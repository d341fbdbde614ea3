"""Products and orders over HTTP, against the real engines."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis import Redis
from tests.engine.brokers import RedisServer
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.write_api.calls import call, eventually, order, product, rows

from hcs_services import tokens
from hcs_services.identifiers import parse_order_id

pytestmark = pytest.mark.engine


async def test_a_created_product_carries_entity_tag_token_and_location(client: aiohttp.ClientSession) -> None:
    product_id = f"p-{secrets.token_hex(6)}"
    body = {"product_id": product_id, "name": "Book", "price": "19.9", "stock": 3}

    status, document, headers = await call(client, "POST", "/api/v1/products", json=body)

    assert (status, document["price"], document["stock"]) == (201, "19.90", 3)
    assert f'"{document["version"]}"' == headers["ETag"]
    assert f"/api/v1/products/{product_id}" == headers["Location"]
    assert headers["X-Consistency-Token"]
    assert headers["X-Request-Id"]


async def test_a_product_is_created_once(client: aiohttp.ClientSession) -> None:
    product_id = await product(client)
    body = {"product_id": product_id, "name": "Book", "price": "1", "stock": 3}

    status, document, _ = await call(client, "POST", "/api/v1/products", json=body)

    assert (status, document["type"]) == (409, "/problems/product-exists")


async def test_a_restock_adds_up_to_its_limit(client: aiohttp.ClientSession) -> None:
    product_id = await product(client, stock=10)

    status, document, _ = await call(client, "POST", f"/api/v1/products/{product_id}/restock", json={"quantity": 5})
    over, refusal, _ = await call(
        client, "POST", f"/api/v1/products/{product_id}/restock", json={"quantity": 1_000_000_000}
    )

    assert (status, document["stock"]) == (200, 15)
    assert (over, refusal["type"]) == (422, "/problems/stock-limit")


async def test_an_unknown_product_is_not_found(client: aiohttp.ClientSession) -> None:
    status, document, _ = await order(client, "nothing-of-the-kind")

    assert (status, document["type"]) == (404, "/problems/product-not-found")


async def test_an_order_takes_stock_and_names_what_it_wrote(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, credentials: Path
) -> None:
    product_id = await product(client, stock=10)

    status, document, headers = await order(client, product_id, quantity=3, total_amount="59.70")

    assert status == 201
    assert (document["status"], document["total_amount"], document["quantity"]) == ("PENDING", "59.70", 3)
    stock = rows(mysql_group, "SELECT stock, ver FROM hcs.products WHERE product_id = %s", product_id)[0]
    assert stock["stock"] == 7
    key = (credentials / "tokens" / "consistency").read_text().encode()
    token = tokens.decode(key, headers["X-Consistency-Token"])
    assert document["version"] == token.entities[f"o:{document['order_id']}"]
    assert stock["ver"] == token.entities[f"p:{product_id}"]
    generation = rows(mysql_group, "SELECT ver FROM hcs.user_lists WHERE user_id = 'ada'")[0]["ver"]
    assert generation >= token.entities["l:ada"]
    executed = rows(mysql_group, "SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed) AS held", token.gtid)[0]["held"]
    assert executed == 1


async def test_a_free_order_is_born_paid(client: aiohttp.ClientSession) -> None:
    product_id = await product(client, price="0.00")

    _, document, _ = await order(client, product_id)

    assert document["status"] == "PAID"


@pytest.mark.parametrize(
    ("members", "status", "slug"),
    [
        ({"quantity": 101}, 409, "insufficient-stock"),
        ({"quantity": 2, "total_amount": "1.00"}, 422, "amount-mismatch"),
        ({"quantity": 0}, 422, "validation-failed"),
        ({"quantity": 10_001}, 422, "validation-failed"),
        ({"quantity": "1"}, 422, "validation-failed"),
        ({"user_id": "a b"}, 422, "validation-failed"),
        ({"user_id": ".."}, 422, "validation-failed"),
        ({"total_amount": 19.9}, 422, "validation-failed"),
        ({"colour": "red"}, 422, "validation-failed"),
    ],
)
async def test_a_refused_order_says_why_and_takes_nothing(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, members: dict[str, Any], status: int, slug: str
) -> None:
    product_id = await product(client, stock=100)

    answered, document, _ = await order(client, product_id, **members)

    assert (status, f"/problems/{slug}") == (answered, document["type"])
    left = rows(mysql_group, "SELECT stock FROM hcs.products WHERE product_id = %s", product_id)[0]["stock"]
    assert left == 100


async def test_a_total_beyond_ten_digits_is_too_large(client: aiohttp.ClientSession) -> None:
    product_id = await product(client, price="9999999999.99")

    status, document, _ = await order(client, product_id, quantity=2)

    assert (status, document["type"]) == (422, "/problems/amount-too-large")


async def test_an_order_goes_through_its_life_under_if_match(client: aiohttp.ClientSession) -> None:
    _, document, headers = await order(client, await product(client))
    path = f"/api/v1/orders/{document['order_id']}"

    for status in ("PAID", "SHIPPED", "DELIVERED"):
        answered, document, headers = await call(
            client, "PATCH", path, json={"status": status}, headers={"If-Match": headers["ETag"]}
        )
        assert (200, status) == (answered, document["status"])
    answered, document, _ = await call(client, "DELETE", path, headers={"If-Match": headers["ETag"]})
    assert (answered, document["type"]) == (409, "/problems/illegal-transition")


async def test_a_change_needs_the_version_that_was_seen(client: aiohttp.ClientSession) -> None:
    _, document, headers = await order(client, await product(client))
    path = f"/api/v1/orders/{document['order_id']}"

    without, _, _ = await call(client, "PATCH", path, json={"status": "PAID"})
    stale, _, _ = await call(client, "PATCH", path, json={"status": "PAID"}, headers={"If-Match": '"1"'})
    weak, _, _ = await call(
        client, "PATCH", path, json={"status": "PAID"}, headers={"If-Match": "W/" + headers["ETag"]}
    )

    assert (without, stale, weak) == (428, 412, 412)


async def test_a_cancelled_order_gives_its_stock_back_once(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup
) -> None:
    product_id = await product(client, stock=5)
    _, document, headers = await order(client, product_id, quantity=4)
    path = f"/api/v1/orders/{document['order_id']}"

    status, document, headers = await call(client, "DELETE", path, headers={"If-Match": headers["ETag"]})
    again, _, _ = await call(client, "DELETE", path, headers={"If-Match": headers["ETag"]})

    assert (status, document["status"], again) == (200, "CANCELLED", 409)
    left = rows(mysql_group, "SELECT stock FROM hcs.products WHERE product_id = %s", product_id)[0]["stock"]
    assert left == 5


async def test_cancelling_a_charged_order_promises_a_refund(
    client: aiohttp.ClientSession, admin: aiohttp.ClientSession, mysql_group: MysqlGroup
) -> None:
    _, document, headers = await order(client, await product(client))
    order_id = parse_order_id(document["order_id"])
    charge = f"ch_{secrets.token_hex(6)}"
    mysql_group.primary.run(
        "INSERT INTO hcs.payments (order_id, task_id, charge_id, amount, currency, status, created_at, slot, ver)"
        f" VALUES ({order_id}, 'T', '{charge}', 19.90, 'EUR', 'charged', UTC_TIMESTAMP(6), 0, 1)",
        # no relay may take the row before the test sees it
        "REPLACE INTO hcs.relay_lease (name, holder, expires_at)"
        " VALUES ('relay', 'the test', UTC_TIMESTAMP(6) + INTERVAL 1 HOUR)",
    )

    async def standing_by() -> bool:
        async with admin.get("/metrics") as answer:
            return "hcs_relay_leading 0.0" in await answer.text()

    try:
        await eventually("the relay stands by", standing_by)
        path = f"/api/v1/orders/{document['order_id']}"
        await call(client, "DELETE", path, headers={"If-Match": headers["ETag"]})
        found = rows(mysql_group, "SELECT payload FROM hcs.outbox WHERE kind = 'refund'")
    finally:
        mysql_group.primary.run("DELETE FROM hcs.relay_lease")

    payloads = [json.loads(row["payload"]) for row in found]
    assert {"order_id": document["order_id"], "charge_id": charge} in payloads


async def test_the_cache_holds_what_was_committed(
    client: aiohttp.ClientSession, redis_server: RedisServer, mysql_group: MysqlGroup
) -> None:
    product_id = await product(client)
    _, document, _ = await order(client, product_id)
    redis = Redis(host=redis_server.host, port=redis_server.port, password=redis_server.password)

    async def cached() -> bool:
        return bool(redis.exists(f"o:{document['order_id']}", f"p:{product_id}", "l:ada") == 3)

    await eventually("order, product and list in the cache", cached)

    async def relayed() -> bool:
        return not rows(mysql_group, "SELECT id FROM hcs.outbox")

    await eventually("the outbox is empty", relayed)


async def test_the_selftest_follows_the_relays_heart(admin: aiohttp.ClientSession) -> None:
    async def works() -> bool:
        async with admin.get("/selftest") as answer:
            document = await answer.json()
            return answer.status == 200 and document["ok"] and document["data"]["heartbeatAgeSeconds"] < 5

    await eventually("the self-test holds", works)


async def test_bad_input_never_reaches_a_500(client: aiohttp.ClientSession) -> None:
    json_headers = {"Content-Type": "application/json"}
    bodies = [
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b"[" * 100_00,
        b'{"quantity": ' + b"9" * 5000 + b"}",
        b'{"user_id": "\\u0000", "product_id": "\\ud800", "quantity": 1}',
        b'{"quantity": 1, "quantity": 2}',
        b'"x"',
        b"null",
        b"",
    ]
    for body in bodies:
        async with client.post("/api/v1/orders", data=body, headers=json_headers) as answer:
            assert answer.status in {400, 422}, body[:40]
            assert answer.content_type == "application/problem+json"
    for path in ("/api/v1/orders/%00", "/api/v1/orders/" + "A" * 2000, "/api/v1/products/%ff%fe/restock", "/%2e%2e/"):
        async with client.delete(path, headers={"If-Match": '"1"'}) as answer:
            assert answer.status in {404, 405}
            assert answer.content_type == "application/problem+json"


async def test_size_type_and_method_are_refused_by_their_names(client: aiohttp.ClientSession) -> None:
    json_headers = {"Content-Type": "application/json"}

    async with client.post("/api/v1/orders", data=b" " * 70_000, headers=json_headers) as answer:
        assert answer.status == 413
    async with client.post("/api/v1/orders", data=b"{}", headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 415
    async with client.put("/api/v1/orders/06YNJE7FW9Z2YY", json={}) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "PATCH, DELETE")
    async with client.get("/api/v1/nothing") as answer:
        assert answer.status == 404
    async with client.head("/openapi.json") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with client.get("/openapi.json", headers={"X-Filler": "x" * 17_000}) as answer:
        assert answer.status == 431
