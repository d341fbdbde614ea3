"""Repeated and concurrent writes over HTTP: one key is one order, and no stock is sold twice."""

from __future__ import annotations

import asyncio
import contextlib
import secrets

import aiohttp
import pymysql
import pytest
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.write_api.calls import call, order, product, rows

from hcs_services.identifiers import parse_order_id

pytestmark = pytest.mark.engine


async def test_the_same_key_and_body_get_the_same_bytes(client: aiohttp.ClientSession) -> None:
    product_id = await product(client)
    body = {"user_id": "ada", "product_id": product_id, "quantity": 1}
    headers = {"Idempotency-Key": secrets.token_hex(8)}

    async with client.post("/api/v1/orders", json=body, headers=headers) as answer:
        first, tag, replayed = await answer.read(), answer.headers["ETag"], answer.headers.get("Idempotency-Replayed")
    quoted = {"Idempotency-Key": f'"{headers["Idempotency-Key"]}"'}
    async with client.post("/api/v1/orders", json=body, headers=quoted) as answer:
        second = await answer.read()
        assert (201, tag, "true") == (answer.status, answer.headers["ETag"], answer.headers["Idempotency-Replayed"])
        assert answer.headers["X-Consistency-Token"]
        assert answer.headers["Location"]

    assert replayed is None
    assert first == second


async def test_a_key_with_another_body_is_refused_and_a_failed_one_is_free_again(
    client: aiohttp.ClientSession,
) -> None:
    product_id = await product(client, stock=1)
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    body = {"user_id": "ada", "product_id": product_id}

    refused, _, _ = await call(client, "POST", "/api/v1/orders", json=body | {"quantity": 2}, headers=headers)
    taken, _, _ = await call(client, "POST", "/api/v1/orders", json=body | {"quantity": 1}, headers=headers)
    other, document, _ = await call(client, "POST", "/api/v1/orders", json=body | {"quantity": 2}, headers=headers)

    assert (refused, taken, other) == (409, 201, 422)
    assert document["type"] == "/problems/idempotency-key-reused"


async def test_one_key_in_many_hands_makes_one_order(client: aiohttp.ClientSession, mysql_group: MysqlGroup) -> None:
    product_id = await product(client, stock=100)
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    body = {"user_id": "grace", "product_id": product_id, "quantity": 1}

    answers = await asyncio.gather(
        *(call(client, "POST", "/api/v1/orders", json=body, headers=headers) for _ in range(24))
    )

    assert {status for status, _, _ in answers} <= {201, 409}
    assert len({document["order_id"] for status, document, _ in answers if status == 201}) == 1
    refusals = {document["type"] for status, document, _ in answers if status == 409}
    assert refusals <= {"/problems/request-in-flight"}
    assert len(rows(mysql_group, "SELECT order_id FROM hcs.orders WHERE product_id = %s", product_id)) == 1


async def test_no_stock_is_sold_twice_under_concurrency(client: aiohttp.ClientSession, mysql_group: MysqlGroup) -> None:
    product_id = await product(client, stock=25)

    answers = await asyncio.gather(*(order(client, product_id, user_id=f"u{number % 7}") for number in range(60)))

    statuses = [status for status, _, _ in answers]
    assert (statuses.count(201), statuses.count(409)) == (25, 35)
    left = rows(mysql_group, "SELECT stock FROM hcs.products WHERE product_id = %s", product_id)[0]["stock"]
    assert left == 0


async def repeats(admin: aiohttp.ClientSession) -> float:
    async with admin.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("hcs_database_transaction_repeats_total{"))


async def test_a_killed_session_loses_no_acknowledged_order(
    client: aiohttp.ClientSession, admin: aiohttp.ClientSession, mysql_group: MysqlGroup
) -> None:
    product_id = await product(client, stock=1000)

    async def killer() -> None:
        for _ in range(10):
            for session in rows(mysql_group, "SELECT id FROM performance_schema.processlist WHERE user = 'hcs_app'"):
                with contextlib.suppress(pymysql.err.OperationalError):  # it ended by itself
                    mysql_group.primary.run(f"KILL {session['id']}")
            await asyncio.sleep(0.05)

    before = await repeats(admin)
    answers, _ = await asyncio.gather(
        asyncio.gather(*(order(client, product_id, user_id=f"k{number % 9}") for number in range(150))), killer()
    )

    acknowledged = {parse_order_id(document["order_id"]) for status, document, _ in answers if status == 201}
    assert {status for status, _, _ in answers} <= {201, 503, 504}  # 504: too slow a machine, and no loss
    found = rows(mysql_group, "SELECT order_id FROM hcs.orders WHERE product_id = %s", product_id)
    assert acknowledged <= {row["order_id"] for row in found}
    assert await repeats(admin) > before  # the kills did reach transactions
    left = rows(mysql_group, "SELECT stock FROM hcs.products WHERE product_id = %s", product_id)[0]["stock"]
    assert 1000 - len(found) == left
