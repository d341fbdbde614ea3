"""Orders that share a transaction, on real MySQL: each keeps its own answer, whatever becomes of the group."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest
from tests.engine.locks import waits_for_a_lock
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.write_api.calls import product, rows
from tests.engine.write_api.rigs import AtCommit, lose_answer, lose_request, rig

from hcs_services.identifiers import parse_order_id
from hcs_services.problem import Problem
from hcs_services.write_api.group_commit import SIZES, SPLITS
from hcs_services.write_api.unit import Answer

pytestmark = pytest.mark.engine

Environment = Callable[[str], dict[str, str]]


@pytest.fixture
def other(mysql_group: MysqlGroup) -> Iterator[Any]:
    """A session of somebody else, in a transaction; rolled back at the end."""
    with mysql_group.connection("app") as connection:
        connection.begin()
        yield connection
        connection.rollback()


def lock(connection: Any, product_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM hcs.products WHERE product_id = %s FOR UPDATE", (product_id,))


def key() -> str:
    return secrets.token_hex(8)


def stock(group: MysqlGroup, product_id: str) -> int:
    return int(rows(group, "SELECT stock FROM hcs.products WHERE product_id = %s", product_id)[0]["stock"])


def sold(group: MysqlGroup, product_id: str) -> int:
    found = rows(group, "SELECT COALESCE(SUM(quantity), 0) AS n FROM hcs.orders WHERE product_id = %s", product_id)
    return int(found[0]["n"])


def told(answers: list[Answer | BaseException]) -> list[Any]:
    return [answer.status if isinstance(answer, Answer) else getattr(answer, "slug", answer) for answer in answers]


def figures() -> tuple[float, float]:
    """How many orders have gone in groups, and how many groups came to nothing."""
    return SIZES._sum.get(), SPLITS._value.get()


async def test_one_group_places_what_it_can_and_says_why_not_of_the_rest(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, tier_environment: Environment
) -> None:
    one, other_one = await product(client, stock=3), await product(client, stock=10)
    used = key()
    async with rig(mysql_group, tier_environment("write-api")) as desk:
        assert told(await desk.group((used, other_one, 1))) == [201]
        placed, split = figures()
        answers = await desk.group(
            (key(), one, 2),
            (key(), "nothing-of-the-kind", 1),
            (used, other_one, 2),
            (key(), one, 2),
            (used, other_one, 1),
            (key(), other_one, 4),
            (key(), one, 1),
        )

    assert told(answers) == [201, "product-not-found", "idempotency-key-reused", "insufficient-stock", 201, 201, 201]
    assert isinstance(answers[3], Problem)
    assert answers[3].detail == "Only 1 left of the 2 asked for."
    assert isinstance(answers[4], Answer)
    assert answers[4].headers["Idempotency-Replayed"] == "true"
    assert figures() == (placed + 7, split)
    assert (stock(mysql_group, one), stock(mysql_group, other_one)) == (0, 5)
    assert (sold(mysql_group, one), sold(mysql_group, other_one)) == (3, 5)


async def test_what_a_group_writes_is_what_each_of_its_answers_says(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, tier_environment: Environment
) -> None:
    product_id = await product(client, stock=10)
    keys = [key() for _ in range(4)]
    async with rig(mysql_group, tier_environment("write-api")) as desk:
        answers = [
            answer for answer in await desk.group(*((one, product_id, 1) for one in keys)) if isinstance(answer, Answer)
        ]

    documents = [json.loads(answer.body) for answer in answers]
    found = rows(mysql_group, "SELECT order_id, ver FROM hcs.orders WHERE product_id = %s", product_id)
    assert {parse_order_id(document["order_id"]): document["version"] for document in documents} == {
        row["order_id"]: row["ver"] for row in found
    }
    for one, answer in zip(keys, answers, strict=True):
        kept = rows(mysql_group, "SELECT status, headers, body FROM hcs.idempotency_keys WHERE idem_key = %s", one)
        assert [(answer.status, answer.body)] == [(row["status"], bytes(row["body"])) for row in kept]
        headers = json.loads(kept[0]["headers"])["headers"]
        assert (answer.headers["ETag"], answer.headers["Location"]) == (headers["ETag"], headers["Location"])


async def test_a_key_twice_in_a_group_is_one_order_and_its_replay(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, tier_environment: Environment
) -> None:
    product_id, same = await product(client, stock=10), key()
    async with rig(mysql_group, tier_environment("write-api")) as desk:
        first, second, other_body = await desk.group(
            (same, product_id, 1), (same, product_id, 1), (same, product_id, 2)
        )

    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert (first.status, first.body) == (second.status, second.body)
    assert ("Idempotency-Replayed" in first.headers, second.headers["Idempotency-Replayed"]) == (False, "true")
    assert told([other_body]) == ["idempotency-key-reused"]
    assert (sold(mysql_group, product_id), stock(mysql_group, product_id)) == (1, 9)


async def test_a_key_in_flight_elsewhere_refuses_its_own_request_only(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, tier_environment: Environment, other: Any
) -> None:
    product_id, held = await product(client, stock=10), key()
    with other.cursor() as cursor:
        cursor.execute(
            "INSERT INTO hcs.idempotency_keys"
            " (scope, owner, idem_key, body_hash, accepted, created_at, used_at, slot, ver)"
            " VALUES ('POST /orders', 'edsger', %s, REPEAT('x', 32), 0, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), 0, 1)",
            (held,),
        )
    async with rig(mysql_group, tier_environment("write-api")) as desk:
        _, split = figures()
        answers = await desk.group((key(), product_id, 1), (held, product_id, 1), (key(), product_id, 1))

    assert told(answers) == [201, "request-in-flight", 201]
    assert figures()[1] == split


async def test_a_product_that_somebody_holds_keeps_no_group_waiting_that_does_not_want_it(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, tier_environment: Environment, other: Any
) -> None:
    first, held, last = sorted([await product(client) for _ in range(3)])
    lock(other, held)
    async with rig(mysql_group, tier_environment("write-api")) as desk:
        _, split = figures()
        answers = await desk.group((key(), last, 1), (key(), first, 1))

    assert told(answers) == [201, 201]
    assert figures()[1] == split  # a lock that is waited for in vain splits a group


async def test_a_group_that_loses_a_deadlock_is_placed_one_by_one(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, tier_environment: Environment, other: Any
) -> None:
    first, second = sorted([await product(client, stock=10), await product(client, stock=10)])
    with other.cursor() as cursor:
        for _ in range(50):  # it has written more than the group has, so the group is the victim
            cursor.execute("UPDATE hcs.products SET ver = ver + 1 WHERE product_id = %s", (second,))
    async with rig(mysql_group, tier_environment("write-api")) as desk:
        _, split = figures()
        orders = asyncio.create_task(desk.group((key(), second, 1), (key(), first, 1), (key(), first, 2)))
        await waits_for_a_lock(mysql_group)
        await asyncio.to_thread(lock, other, first)
        other.rollback()
        answers = await orders

    assert told(answers) == [201, 201, 201]
    assert figures()[1] == split + 1
    assert (stock(mysql_group, first), stock(mysql_group, second)) == (7, 9)
    assert (sold(mysql_group, first), sold(mysql_group, second)) == (3, 1)


async def test_a_group_whose_connection_is_killed_is_placed_one_by_one(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, tier_environment: Environment, other: Any
) -> None:
    product_id = await product(client, stock=2)
    keys = [key() for _ in range(3)]
    lock(other, product_id)
    async with rig(mysql_group, tier_environment("write-api")) as desk:
        _, split = figures()
        orders = asyncio.create_task(desk.group(*((one, product_id, 1) for one in keys)))
        for session in await waits_for_a_lock(mysql_group):
            mysql_group.primary.run(f"KILL {session}")
        other.rollback()
        answers = await orders

    assert sorted(map(str, told(answers))) == ["201", "201", "insufficient-stock"]
    assert figures()[1] == split + 1
    assert (sold(mysql_group, product_id), stock(mysql_group, product_id)) == (2, 0)


@pytest.mark.parametrize("lost", [lose_answer, lose_request], ids=["after it happened", "before it happened"])
async def test_a_groups_commit_whose_answer_is_lost_is_settled_for_each(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, tier_environment: Environment, lost: AtCommit
) -> None:
    product_id = await product(client, stock=3)
    orders = [(key(), product_id, 1) for _ in range(4)]
    async with rig(mysql_group, tier_environment("write-api"), lost) as disturbed:
        _, split = figures()
        answers = await disturbed.group(*orders)

    assert sorted(map(str, told(answers))) == ["201", "201", "201", "insufficient-stock"]
    assert figures()[1] == split + 1
    assert not any("Idempotency-Replayed" in answer.headers for answer in answers if isinstance(answer, Answer))
    found = {
        row["order_id"]
        for row in rows(mysql_group, "SELECT order_id FROM hcs.orders WHERE product_id = %s", product_id)
    }
    said = {parse_order_id(json.loads(answer.body)["order_id"]) for answer in answers if isinstance(answer, Answer)}
    assert (found, stock(mysql_group, product_id)) == (said, 0)


async def test_who_goes_away_while_the_group_waits_for_a_row_gets_no_order(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, tier_environment: Environment, other: Any
) -> None:
    product_id = await product(client, stock=10)
    lock(other, product_id)
    async with rig(mysql_group, tier_environment("write-api")) as desk:
        gone = asyncio.create_task(desk.group((key(), product_id, 5)))
        stays = asyncio.create_task(desk.group((key(), product_id, 1)))
        await waits_for_a_lock(mysql_group)
        gone.cancel()
        await asyncio.wait([gone])
        other.rollback()

        assert told(await stays) == [201]
    assert (sold(mysql_group, product_id), stock(mysql_group, product_id)) == (1, 9)
