"""The token race while the replica stops and goes.

`make races` checks 100,000 reads: eight readers of 400 orders, each written five times.
"""

from __future__ import annotations

import asyncio

import pytest
from tests.engine.read_api.conftest import World, lagging
from tests.engine.read_api.token_race import Race

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


async def test_no_reader_with_a_token_ever_sees_an_older_state(world: World, request: pytest.FixtureRequest) -> None:
    async def stop_and_go(race: Race) -> None:
        while not race.over.is_set():
            with lagging(world):
                await asyncio.sleep(0.5)
            await asyncio.sleep(1.0)

    race = Race(world, request.config.getoption("--checked-reads"))
    await race.run(stop_and_go)

    await race.check()
    assert race.refused < race.reads / 100
    assert {"l1", "cache", "replica", "primary"} <= set(race.checked)
