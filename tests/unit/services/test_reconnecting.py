"""How often members are asked while nobody leads: a storm of reconnects takes their connections from the members."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.unit.services.played_mysql import pool_of, three

from hcs_services.database import members

pytestmark = pytest.mark.usefixtures("short_waits")


async def test_each_pause_between_looks_is_longer_up_to_fourfold_and_jittered(monkeypatch: pytest.MonkeyPatch) -> None:
    group, asked, pauses, sleep = three("nobody"), set[tuple[float, float]](), list[float](), asyncio.sleep

    def uniform(least: float, most: float) -> float:
        asked.add((least, most))
        return 1.0

    async def pause(seconds: float) -> None:
        await sleep(0)
        if seconds:
            pauses.append(seconds)
            group.members["b"].primary = len(pauses) == 6

    monkeypatch.setattr(random, "uniform", uniform)
    monkeypatch.setattr(asyncio, "sleep", pause)
    async with pool_of(group).connection() as connection:
        assert connection.address == "b"
    assert pauses == [1, 2, 3, 4, 4, 4]
    assert asked == {members._PAUSE}
