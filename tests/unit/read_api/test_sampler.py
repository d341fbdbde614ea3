"""The sampler finds what stays wrong, and only that."""

from __future__ import annotations

import pytest
from tests.unit.read_api.servers import ORDER_ID, Levels, order_row

from hcs_services.cache import order_key
from hcs_services.read_api.sampler import Sampler

pytestmark = pytest.mark.unit
KEY = order_key(ORDER_ID)


def at_seven(*, cached: int) -> Levels:
    """The order is at version 7 on the primary, and at another one or the same in the cache."""
    levels = Levels()
    levels.cluster.commit(order_row(7))
    levels.cache.entries[KEY] = levels.cache.loaded(cached, b"{}")
    return levels


def sampler(levels: Levels) -> Sampler:
    return Sampler(levels.cache, levels.local, levels.sources, settle=0)


async def test_equal_states_are_consistent() -> None:
    levels = at_seven(cached=7)
    assert await sampler(levels).sample([KEY]) == 0


@pytest.mark.parametrize("held", [6, 8])
async def test_a_state_that_stays_different_counts(held: int) -> None:
    levels = at_seven(cached=held)
    assert await sampler(levels).sample([KEY, "l:ada"]) == 1


async def test_a_write_on_its_way_to_the_cache_does_not_count() -> None:
    levels = at_seven(cached=6)
    original = levels.cluster.primary.fetch_all

    async def arriving(sql: str, arguments: object = ()) -> list[dict[str, object]]:
        await levels.cache.put(KEY, 7, {})
        return await original(sql, arguments)

    levels.cluster.primary.fetch_all = arriving  # type: ignore[method-assign]
    assert await sampler(levels).sample([KEY]) == 0


async def test_what_a_primary_said_before_it_was_found_cut_off_does_not_count() -> None:
    levels = at_seven(cached=8)
    original = levels.cluster.primary.fetch_all

    async def old_then_new(sql: str, arguments: object = ()) -> list[dict[str, object]]:
        found = await original(sql, arguments)
        levels.cluster.commit(order_row(8))
        return found

    levels.cluster.primary.fetch_all = old_then_new  # type: ignore[method-assign]
    assert await sampler(levels).sample([KEY]) == 0


async def test_without_a_primary_nothing_can_be_said() -> None:
    levels = Levels()
    levels.cache.entries[KEY] = levels.cache.loaded(6, b"{}")
    levels.cluster.primary.down = True
    assert await sampler(levels).sample([KEY]) == 0
