"""How often members are asked while nobody leads: a storm of reconnects takes their connections from the members."""

from __future__ import annotations

import random

import pytest
from tests.unit.services.played_mysql import pool_of, three

from hcs_services.database import members
from hcs_services.database.members import PrimaryPool

pytestmark = pytest.mark.usefixtures("short_waits")


async def test_each_pause_between_looks_is_longer_up_to_fourfold_and_jittered(monkeypatch: pytest.MonkeyPatch) -> None:
    group, asked, pauses = three("nobody"), set[tuple[float, float]](), list[float]()

    def uniform(least: float, most: float) -> float:
        asked.add((least, most))
        return 1.0

    async def pause(_: PrimaryPool, seconds: float) -> None:
        pauses.append(seconds)
        group.members["b"].primary = len(pauses) == 6

    monkeypatch.setattr(random, "uniform", uniform)
    monkeypatch.setattr(PrimaryPool, "_until_found", pause)
    async with pool_of(group).connection() as connection:
        assert connection.address == "b"
    assert pauses == [1, 2, 3, 4, 4, 4]
    assert asked == {members._PAUSE}
