"""An entity through L1, Redis, replica and primary: which of them answers, and what is left behind."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from tests.unit.read_api.servers import ORDER_ID, Levels, order_row, product_row

from hcs_services import request_context
from hcs_services.cache import Entry, order_key
from hcs_services.database.errors import StatementTimeout
from hcs_services.problem import Problem
from hcs_services.read_api.cached_reads import Answer
from hcs_services.read_api.demand import Demand
from hcs_services.tokens import ConsistencyToken

pytestmark = pytest.mark.unit
GTID = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"
KEY = order_key(ORDER_ID)


def token(version: int | None = None) -> Demand:
    return Demand(ConsistencyToken(0, GTID, {} if version is None else {KEY: version}))


async def source(levels: Levels, demand: Demand | None = None) -> str:
    answer = await levels.reads.order(ORDER_ID, demand or Demand())
    assert answer is not None
    return answer.source


async def version(levels: Levels, demand: Demand | None = None) -> int:
    answer = await levels.reads.order(ORDER_ID, demand or Demand())
    assert answer is not None
    return answer.entry.version


def levels_with(row_version: int = 1, **options: Any) -> Levels:
    levels = Levels()
    levels.cluster.commit(order_row(row_version), **options)
    return levels


async def test_the_first_read_is_a_replicas_the_next_l1s_then_the_caches() -> None:
    levels = levels_with()
    found = [await source(levels), await source(levels)]
    levels.pass_time(1.0)
    assert [*found, await source(levels)] == ["replica", "l1", "cache"]


async def test_many_readers_at_once_are_one_statement() -> None:
    levels = levels_with()
    await asyncio.gather(*(source(levels) for _ in range(50)))
    assert levels.cluster.replica.statements == 1


async def products(levels: Levels, *names: str) -> list[Answer]:
    return await asyncio.gather(*(levels.reads.product(name, Demand()) for name in names))


async def test_readers_of_different_rows_at_once_are_one_statement_and_each_gets_its_own_row() -> None:
    levels = Levels()
    levels.cluster.commit(product_row(1, "one"), product_row(2, "two"))
    found = await products(levels, "two", "none", "one")
    assert [(it.entry.version, it.entry.data is None) for it in found] == [(2, False), (0, True), (1, False)]
    assert levels.cluster.replica.statements == 1
    assert {key: entry.version for key, entry in levels.cache.entries.items()} == {"p:two": 2, "p:none": 0, "p:one": 1}


async def test_who_waits_for_anothers_fill_keeps_nobody_waiting() -> None:
    levels = Levels()
    levels.cluster.commit(product_row(1, "leased"), product_row(1, "free"))
    await levels.cache.acquire("p:leased")
    waits = asyncio.create_task(levels.reads.product("leased", Demand()))
    (free,) = await products(levels, "free")
    assert (free.source, waits.done()) == ("replica", False)
    assert (await waits).source == "replica"  # the other one never filled it


async def test_what_is_in_its_grace_is_served_though_the_load_of_another_row_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    levels = Levels()
    levels.cluster.commit(product_row(1, "held"), product_row(1, "absent"))
    await products(levels, "held")
    levels.pass_time(400)
    await levels.cache.acquire("p:held")
    hangs = asyncio.Event()
    monkeypatch.setattr(levels.cluster.replica, "fetch_all", lambda *_: hangs.wait())
    absent, held = (asyncio.create_task(levels.reads.product(name, Demand())) for name in ("absent", "held"))
    async with asyncio.timeout(2):  # less than the load's own time
        assert ((await held).source, absent.done()) == ("cache", False)
    await levels.cached.close()
    with pytest.raises(asyncio.CancelledError):
        await absent


async def test_a_failed_load_gives_all_its_leases_back() -> None:
    levels = Levels()
    levels.cluster.replica.down = levels.cluster.primary.down = True
    with pytest.raises(Problem):
        await products(levels, "one", "two")
    assert levels.cache.leases == {}


async def test_without_a_replica_the_primary_answers() -> None:
    levels = levels_with()
    levels.cluster.replica.down = True
    assert await source(levels) == "primary"


async def test_without_any_server_it_is_a_503_to_be_repeated() -> None:
    levels = levels_with()
    levels.cluster.replica.down = levels.cluster.primary.down = True
    with pytest.raises(Problem) as caught:
        await source(levels)
    assert (caught.value.status, caught.value.slug, caught.value.retry_after) == (503, "database-unavailable", 1)


async def test_without_any_server_what_is_still_held_is_served_past_its_expiry() -> None:
    levels = levels_with()
    await source(levels)
    levels.cluster.replica.down = levels.cluster.primary.down = True
    levels.pass_time(400)
    assert await source(levels) == "cache"


async def test_a_primary_too_slow_for_a_load_is_the_servers_fault_and_what_is_held_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    levels = levels_with()
    await source(levels)
    levels.cluster.replica.down = True

    async def slow(_sql: str, _arguments: Any = ()) -> None:
        request_context.set_deadline(time.monotonic())  # the flight's: it has a time of its own
        raise StatementTimeout(3)

    monkeypatch.setattr(levels.cluster.primary, "fetch_all", slow)
    levels.pass_time(400)
    assert await source(levels) == "cache"


async def test_with_the_cache_down_reads_go_on_and_l1_takes_the_heat() -> None:
    levels = levels_with()
    levels.cache.down = True
    found = [await source(levels), await source(levels)]
    levels.pass_time(1.0)
    assert [*found, await source(levels)] == ["replica", "l1", "replica"]


async def test_a_malformed_id_touches_nothing() -> None:
    levels = levels_with()
    assert await levels.reads.order("not-an-order", Demand()) is None
    assert (levels.cache.calls, levels.cluster.replica.statements) == ([], 0)


async def test_a_missing_row_is_remembered_for_a_few_seconds() -> None:
    levels = Levels()
    first = await levels.reads.order(ORDER_ID, Demand())
    levels.pass_time(2.0)
    second = await levels.reads.order(ORDER_ID, Demand())
    levels.pass_time(4.0)
    third = await levels.reads.order(ORDER_ID, Demand())
    assert first and second and third
    assert (second.entry.data, first.source, second.source, third.source) == (None, "replica", "cache", "replica")


# -- tokens


async def test_a_named_entity_comes_from_the_cache_at_its_version() -> None:
    levels = levels_with(5)
    await source(levels)
    assert await source(levels, token(5)) == "l1"


async def test_an_older_cached_version_is_not_served_to_a_token() -> None:
    levels = levels_with(1)
    await source(levels)
    levels.cluster.commit(order_row(5), gtid=GTID)
    assert await version(levels, token(5)) == 5


async def test_a_lagging_replica_does_not_serve_a_token() -> None:
    levels = levels_with(1)
    levels.cluster.commit(order_row(5), gtid=GTID, replicated=False)
    answer = await levels.reads.order(ORDER_ID, token(5))
    assert answer is not None
    assert (answer.source, answer.entry.version) == ("primary", 5)


async def test_an_entity_that_the_token_does_not_name_skips_the_caches() -> None:
    levels = levels_with(1)
    await source(levels)
    levels.cluster.commit(order_row(5), gtid=GTID)
    assert (await version(levels, token()), await source(levels, token())) == (5, "replica")


async def test_a_token_does_not_join_a_load_that_began_without_it() -> None:
    levels = levels_with(1)
    plain = asyncio.create_task(version(levels))
    await asyncio.sleep(0)
    levels.cluster.commit(order_row(5), gtid=GTID)
    assert await version(levels, token(5)) == 5
    await plain


async def test_a_token_that_the_primary_cannot_meet_is_a_503_that_says_so() -> None:
    levels = levels_with(1)
    with pytest.raises(Problem) as caught:
        await source(levels, token(5))
    assert caught.value.slug == "consistency-unavailable"


async def test_a_gtid_that_now_stands_for_another_row_is_noticed_by_the_version() -> None:
    levels = levels_with(1, gtid=GTID)
    with pytest.raises(Problem) as caught:
        await source(levels, token(5))
    assert caught.value.slug == "consistency-unavailable"


async def test_a_relaxed_client_gets_an_older_answer_and_is_told() -> None:
    levels = levels_with(1)
    await source(levels)
    answer = await levels.reads.order(ORDER_ID, Demand(token(5).token, relaxed=True))
    assert answer is not None
    assert (answer.relaxed, answer.entry.version) == (True, 1)


async def test_a_relaxed_client_whose_token_is_met_is_told_nothing() -> None:
    levels = levels_with(5, gtid=GTID)
    answer = await levels.reads.order(ORDER_ID, Demand(token(5).token, relaxed=True))
    assert answer is not None
    assert not answer.relaxed


async def test_no_cache_reads_the_primary_though_a_cache_has_it() -> None:
    levels = levels_with(1)
    await source(levels)
    assert await source(levels, Demand(no_cache=True)) == "primary"


# -- leases


async def test_a_loser_serves_what_is_held_in_its_grace() -> None:
    levels = levels_with(1)
    await source(levels)
    levels.pass_time(400)
    await levels.cache.acquire(KEY)
    assert (await source(levels), levels.cluster.replica.statements) == ("cache", 1)


async def test_a_loser_with_nothing_to_serve_waits_for_the_fill() -> None:
    levels = levels_with(1)
    lease, _ = await levels.cache.acquire(KEY)
    assert lease is not None
    waiting = asyncio.create_task(source(levels))
    await asyncio.sleep(0)
    await levels.cache.fill(KEY, levels.cache.loaded(1, b"{}"), lease=lease, as_of=None)
    assert (await waiting, levels.cluster.replica.statements) == ("cache", 0)


async def test_a_loser_whose_winner_died_reads_without_filling() -> None:
    levels = levels_with(1)
    await levels.cache.acquire(KEY)
    assert (await source(levels), levels.cache.entries) == ("replica", {})


async def test_a_failed_load_gives_its_lease_back() -> None:
    levels = levels_with(1)
    levels.cluster.replica.down = levels.cluster.primary.down = True
    with pytest.raises(Problem):
        await source(levels)
    assert levels.cache.leases == {}


@pytest.mark.parametrize(("beat", "kept"), [(-1.0, False), (1.0, True)])
async def test_a_primary_that_may_have_been_cut_off_before_the_last_write_fills_nothing(
    beat: float, kept: bool
) -> None:
    levels = levels_with(1)
    levels.cluster.replica.down = True
    await levels.cache.put(KEY, 2, {"version": 2})
    levels.cluster.primary.beat_at = levels.cache.now + beat
    del levels.cache.entries[KEY]  # evicted
    assert (await source(levels), KEY in levels.cache.entries) == ("primary", kept)


async def test_a_load_overtaken_by_a_write_is_not_kept_in_l1() -> None:
    levels = levels_with(1)
    original = levels.cluster.replica.fetch_all

    async def overtaken(sql: str, arguments: Any = ()) -> Any:
        found = await original(sql, arguments)
        await levels.cache.put(KEY, 9, {"version": 9})
        return found

    levels.cluster.replica.fetch_all = overtaken  # type: ignore[method-assign]
    assert (await version(levels), await version(levels)) == (1, 9)


async def test_what_a_lagging_replica_shows_does_not_enter_an_evicted_key() -> None:
    levels = levels_with(1)
    levels.cluster.replica.beat_at = levels.cache.now - 3
    await levels.cache.put(KEY, 9, {"version": 9})
    levels.cache.evict(KEY)
    assert (await version(levels), levels.cache.entries) == (1, {})


async def test_an_entry_near_its_end_is_renewed_in_the_background() -> None:
    levels = levels_with(1)
    stored = int(levels.cache.now * 1000)
    levels.cached._uniform = lambda: 1.0 - 1e-9
    levels.cache.entries[KEY] = Entry(1, b"{}", stored, 10_000, delta_ms=1_000)
    assert await source(levels) == "cache"
    await asyncio.gather(*levels.cached._refreshes)
    assert levels.cache.entries[KEY].lifetime_ms == 270_000
