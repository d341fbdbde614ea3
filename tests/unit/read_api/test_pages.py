"""A user's orders, page by page, under generations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.read_api.servers import Levels, order_row

from hcs_services.cache import list_key
from hcs_services.identifiers import public_order_id
from hcs_services.problem import Problem
from hcs_services.read_api.cached_reads import Answer
from hcs_services.read_api.demand import Demand
from hcs_services.tokens import ConsistencyToken

pytestmark = pytest.mark.unit
GTID = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"


def levels_with(orders: int) -> Levels:
    levels = Levels()
    for number in range(1, orders + 1):
        levels.cluster.commit(order_row(number, order_id=number))
    return levels


async def page(levels: Levels, cursor: str | None = None, limit: int = 2, demand: Demand | None = None) -> Answer:
    return await levels.reads.orders_of("ada", limit, cursor, demand or Demand())


def document(answer: Answer) -> Any:
    assert answer.entry.data is not None
    return json.loads(answer.entry.data)


def ids(answer: Answer) -> list[str]:
    return [item["order_id"] for item in document(answer)["items"]]


async def test_cursors_lead_through_all_orders_newest_first() -> None:
    levels, found, cursor = levels_with(5), [], None
    while True:
        answer = await page(levels, cursor)
        found += ids(answer)
        cursor = document(answer)["next_cursor"]
        if cursor is None:
            break
    assert [public_order_id(number) for number in (5, 4, 3, 2, 1)] == found


async def test_a_user_without_orders_has_an_empty_list() -> None:
    assert document(await page(Levels())) == {"items": [], "next_cursor": None}


async def test_a_malformed_cursor_is_a_400() -> None:
    with pytest.raises(Problem) as caught:
        await page(Levels(), cursor="not a cursor")
    assert (caught.value.status, caught.value.slug) == (400, "malformed-cursor")


async def test_a_page_is_served_from_the_cache_while_its_generation_lasts() -> None:
    levels = levels_with(3)
    first = await page(levels)
    levels.pass_time(1.0)
    assert (first.source, (await page(levels)).source) == ("replica", "cache")


async def test_a_new_generation_puts_old_pages_out_of_reach() -> None:
    levels = levels_with(3)
    await page(levels)
    levels.cluster.commit(order_row(9, order_id=9))
    await levels.cache.bump_list("ada", 9)
    levels.pass_time(1.0)
    assert public_order_id(9) in ids(await page(levels))


async def test_a_first_order_shows_though_the_empty_list_was_cached() -> None:
    levels = Levels()
    await page(levels)
    levels.cluster.commit(order_row(9, order_id=9))
    await levels.cache.bump_list("ada", 9)
    levels.pass_time(1.0)
    assert [public_order_id(9)] == ids(await page(levels))


async def test_a_page_of_a_replica_behind_the_generation_is_kept_under_its_own() -> None:
    levels = levels_with(1)
    levels.cluster.commit(order_row(9, order_id=9), replicated=False)
    await levels.cache.bump_list("ada", 9)
    await page(levels)
    levels.cluster.commit(order_row(9, order_id=9))
    levels.pass_time(1.0)
    assert public_order_id(9) in ids(await page(levels))


async def test_a_token_that_names_the_list_sees_its_write() -> None:
    levels = levels_with(1)
    await page(levels)
    levels.cluster.commit(order_row(9, order_id=9), gtid=GTID, replicated=False)
    demand = Demand(ConsistencyToken(0, GTID, {list_key("ada"): 9}))
    answer = await page(levels, demand=demand)
    assert ("primary", public_order_id(9)) == (answer.source, ids(answer)[0])


async def test_without_the_cache_pages_come_from_the_database() -> None:
    levels = levels_with(3)
    levels.cache.down = True
    assert [(await page(levels)).source, (await page(levels)).source] == ["replica", "replica"]


async def test_without_any_server_an_expired_page_is_still_served() -> None:
    levels = levels_with(3)
    await page(levels)
    levels.cluster.replica.down = levels.cluster.primary.down = True
    levels.pass_time(400)
    assert len(ids(await page(levels))) == 2
