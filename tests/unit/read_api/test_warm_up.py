"""An emptied cache gets what is read most back: which rows, when, and what it may take from users' reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.unit.read_api.servers import ORDER, ORDER_ID, Levels, order_row, product_row

from hcs_services.cache import order_key
from hcs_services.read_api import rows
from hcs_services.read_api.demand import Demand
from hcs_services.read_api.together import SIZE
from hcs_services.read_api.warm_up import WarmUp, batches

pytestmark = pytest.mark.unit
KEY = order_key(ORDER_ID)


def warm_up(levels: Levels, *, permits: int = 4, at_most: float = 10.0) -> WarmUp:
    return WarmUp(levels.cache, levels.cached, levels.hot, permits=permits, again=0.001, at_most=at_most)


def with_products(names: Iterable[str], *, hot: bool = True) -> Levels:
    """An empty cache, products in the database, and each counted once less than the one before it."""
    levels, products = Levels(), [rows.product(name) for name in names]
    levels.cluster.commit(*(product_row(1, row.id) for row in products))
    for times, row in enumerate(reversed(products), 1):
        for _ in range(times if hot else 0):
            levels.hot.count(row)
    return levels


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.001)


# -- what is hot


async def hottest_after(levels: Levels, *pauses: float) -> list[str]:
    for pause in pauses:
        levels.pass_time(pause)
        await levels.reads.order(ORDER_ID, Demand())
    return [row.key for row in levels.hot.hottest()]


async def test_what_redis_answers_is_counted() -> None:
    levels = Levels()
    levels.cluster.commit(order_row(1))
    assert await hottest_after(levels, 0, 1) == [KEY]


async def test_a_miss_and_what_l1_answers_are_not_counted() -> None:
    levels = Levels()
    levels.cluster.commit(order_row(1))
    assert await hottest_after(levels, 0, 0, 0) == []


async def test_an_absence_is_not_counted() -> None:
    assert await hottest_after(Levels(), 0, 1) == []


# -- when


async def test_the_first_look_cannot_tell_whether_the_cache_was_emptied() -> None:
    levels = Levels()
    levels.cache.restart()
    assert not await warm_up(levels).emptied()


async def test_horizons_that_begin_anew_tell_once() -> None:
    levels = Levels()
    levels.cache.restart()
    looking = warm_up(levels)
    looks = [await looking.emptied(), await looking.emptied()]
    levels.pass_time(1)
    levels.cache.restart()
    assert [*looks, await looking.emptied(), await looking.emptied()] == [False, False, True, False]


async def test_a_cache_in_which_nothing_has_been_stored_yet_is_looked_at_again() -> None:
    levels = Levels()
    levels.cache.restart()
    looking = warm_up(levels)
    await looking.emptied()
    levels.cache.beginning = float("-inf")
    before = await looking.emptied()
    levels.pass_time(1)
    levels.cache.restart()
    assert (before, await looking.emptied()) == (False, True)


async def test_a_cache_that_was_away_was_not_emptied_for_that() -> None:
    levels = Levels()
    levels.cache.restart()
    looking = warm_up(levels)
    await looking.emptied()
    levels.cache.down = True
    away = await looking.emptied()
    levels.cache.down = False
    assert (away, await looking.emptied()) == (False, False)


async def test_it_looks_for_ever_and_fills_when_the_cache_was_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hcs_services.read_api.warm_up._LOOK_SECONDS", 0.001)
    levels = with_products(["a"])
    levels.cache.restart()
    watching = asyncio.create_task(warm_up(levels).watch())
    await until(lambda: "horizons" in levels.cache.calls)
    levels.pass_time(1)
    levels.cache.restart()
    await until(lambda: "p:a" in levels.cache.entries)
    watching.cancel()


# -- what


async def test_what_is_hot_is_in_the_cache_again() -> None:
    levels = with_products(["a", "b"])
    levels.cluster.commit(order_row(7))
    levels.hot.count(rows.order(ORDER, ORDER_ID))
    done = await warm_up(levels).run()
    assert {key: entry.version for key, entry in levels.cache.entries.items()} == {KEY: 7, "p:a": 1, "p:b": 1}
    assert done == {"filled": 3, "held": 0, "left": 0}


async def test_the_hottest_are_filled_first() -> None:
    names = [f"{number:02}" for number in range(2 * SIZE)]
    levels = with_products(names)
    await warm_up(levels).run()
    assert [f"p:{name}" for name in names[:SIZE]] == list(levels.cache.entries)[:SIZE]


async def test_what_is_held_is_not_read() -> None:
    levels = with_products(["held"])
    await levels.cache.put("p:held", 1, {})
    done = await warm_up(levels).run()
    assert (done["held"], levels.cluster.replica.statements) == (1, 0)


async def test_what_another_reader_fills_is_left_to_it() -> None:
    levels = with_products(["leased"])
    await levels.cache.acquire("p:leased")
    done = await warm_up(levels).run()
    assert (done["left"], levels.cluster.replica.statements) == (1, 0)


async def test_a_write_that_comes_while_a_row_is_read_again_is_not_overwritten() -> None:
    levels = with_products(["hot"])
    original = levels.cluster.replica.fetch_all

    async def overtaken(sql: str, arguments: Any = ()) -> list[dict[str, Any]]:
        found = await original(sql, arguments)
        await levels.cache.put("p:hot", 9, {"version": 9})
        return found

    levels.cluster.replica.fetch_all = overtaken  # type: ignore[method-assign]
    done = await warm_up(levels).run()
    assert (levels.cache.entries["p:hot"].version, done["left"]) == (9, 1)


async def test_a_user_who_asks_for_a_row_that_is_being_filled_shares_the_load() -> None:
    levels = with_products(["hot"])
    filling = asyncio.create_task(warm_up(levels).run())
    await asyncio.sleep(0)
    answer = await levels.reads.product("hot", Demand())
    await filling
    assert (answer.entry.version, levels.cluster.replica.statements) == (1, 1)


# -- how it waits, and ends


async def test_what_cannot_be_proved_yet_is_tried_again() -> None:
    levels = with_products(["hot"])
    levels.cache.restart()
    levels.cluster.replica.beat_at = levels.cache.now - 1
    filling = asyncio.create_task(warm_up(levels).run())
    await until(lambda: levels.cluster.replica.statements >= 3)
    held = dict(levels.cache.entries)
    levels.cluster.replica.beat_at = levels.cache.now + 1
    assert (held, (await filling)["filled"]) == ({}, 1)


async def test_while_database_or_cache_are_away_it_waits() -> None:
    levels = with_products(["hot"])
    levels.cluster.replica.down = levels.cluster.primary.down = True
    filling = asyncio.create_task(warm_up(levels).run())
    await until(lambda: "acquire" in levels.cache.calls)
    levels.cache.down, levels.cluster.replica.down = True, False
    levels.cache.calls.clear()
    await until(lambda: "absent" in levels.cache.calls)
    levels.cache.down = False
    assert (await filling)["filled"] == 1


async def test_it_ends_though_nothing_can_be_read() -> None:
    levels = with_products(["hot"])
    levels.cluster.replica.down = levels.cluster.primary.down = True
    with capture_logs() as lines:
        assert await warm_up(levels, at_most=0.02).run() == {}
    assert (lines[-1]["ended"], lines[-1]["keys"]) == ("late", 1)


async def test_it_says_when_it_begins_and_what_it_did() -> None:
    levels = with_products(["a", "b"])
    with capture_logs() as lines:
        await warm_up(levels).run()
    begun, ended = (line for line in lines if line["log_level"] == "info")
    assert (begun["event"], begun["keys"]) == ("the cache was emptied: a warm-up begins", 2)
    assert [ended[name] for name in ("ended", "filled", "held", "left")] == ["done", 2, 0, 0]


@pytest.mark.parametrize(("permits", "share"), [(1, 1), (4, 1), (8, 2)])
async def test_it_has_no_more_than_its_share_of_the_permits(permits: int, share: int) -> None:
    levels = with_products([f"{number:03}" for number in range(6 * SIZE)], hot=False)
    for name in levels.cluster.replica.products:
        levels.hot.count(rows.product(name))
    original, at_once, most = levels.cluster.replica.fetch_all, 0, 0

    async def counted(sql: str, arguments: Any = ()) -> list[dict[str, Any]]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.002)
        at_once -= 1
        return await original(sql, arguments)

    levels.cluster.replica.fetch_all = counted  # type: ignore[method-assign]
    done = await warm_up(levels, permits=permits).run()
    assert (most, done["filled"]) == (share, 100)  # as many as the sketch has places


def test_rows_of_one_table_go_together_the_hottest_first() -> None:
    products = [rows.product(f"{number}") for number in range(SIZE + 1)]
    order = rows.order(ORDER, ORDER_ID)
    assert [products[:SIZE], [order], products[SIZE:]] == batches([products[0], order, *products[1:]])
