"""The pace of the sweep: slow while little is old, quick while its batches come back full."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from tests.unit.services.played_mysql import Group, Member

from hcs_services.database.members import PrimaryPool
from hcs_services.settings import Settings
from hcs_services.write_api import retention
from hcs_services.write_api.relay import Relay

TABLES = [table for table, _, _ in retention.rules(Settings())]


class Old:
    """A database with so many old rows of each table."""

    def __init__(self, **old: int) -> None:
        self.old = old

    async def execute(self, sql: str, arguments: tuple[int, int]) -> int:
        table, (_, limit) = sql.split()[2], arguments
        deleted = min(limit, self.old.get(table, 0))
        self.old[table] = self.old.get(table, 0) - deleted
        return deleted


async def sweep(database: Old) -> float:
    return await retention.sweep(cast("Any", database), Settings())


async def test_a_sweep_that_finds_little_comes_again_in_a_minute() -> None:
    database = Old(**dict.fromkeys(TABLES, retention.BATCH - 1))
    assert await sweep(database) == 60.0
    assert set(database.old.values()) == {0}


@pytest.mark.parametrize("table", TABLES)
async def test_one_full_batch_of_any_table_brings_the_next_sweep_soon(table: str) -> None:
    assert await sweep(Old(**{table: retention.BATCH})) == 0.02


async def test_a_sweep_takes_one_batch_of_a_table_and_leaves_the_rest() -> None:
    database = Old(inbox=10 * retention.BATCH)
    await sweep(database)
    assert database.old["inbox"] == 9 * retention.BATCH


class EndOfTest(Exception):
    """Ends a loop that runs for ever."""


@pytest.mark.parametrize(("full", "pace"), [(True, 0.02), (False, 60.0)])
async def test_the_relay_keeps_the_sweeps_pace(full: bool, pace: float, monkeypatch: pytest.MonkeyPatch) -> None:
    member = Member(primary=True)
    connect: Any = Group(a=member).connect
    pool = PrimaryPool(Group(a=member).addresses, connect, size=2)
    relay = Relay(pool, cast("Any", None), cast("Any", None), Settings(), "me")
    relay._set_leading(leads=True)
    slept: list[float] = []

    async def rows(_connection: Any, sql: str, _arguments: Any = ()) -> int:
        return retention.BATCH if full and "tasks" in sql else 0

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if seconds in {0.02, 60.0}:
            raise EndOfTest

    monkeypatch.setattr("tests.unit.services.played_mysql.PlayedConnection.execute", rows)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(EndOfTest):
        await relay.sweep()
    assert slept[-1] == pace
