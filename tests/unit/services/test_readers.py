from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.unit.services.played_mysql import Group, Member, MysqlError

from hcs_services.database import readers
from hcs_services.database.errors import NoReader, StatementTimeout
from hcs_services.database.members import PrimaryPool
from hcs_services.database.readers import ReaderPool
from hcs_services.settings import Settings

SOURCE = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
BEAT = datetime(2026, 11, 23, 20, 0)  # noqa: DTZ001 - as the database gives it


def replica(*, behind: float = 0, executed: int = 100) -> Member:
    state = {"gtid": f"{SOURCE}:1-{executed}", "beat_at": BEAT - timedelta(seconds=behind)}
    return Member(answers={readers._STATE: state, readers._WAIT: {"timed_out": 1}})


class Stack:
    """A primary and replicas, played, and the pools over them."""

    def __init__(self, **replicas: Member) -> None:
        self.primary = Member(primary=True, answers={readers._HEARTBEAT: {"beat_at": BEAT}})
        self.members, self.replicas = Group(m=self.primary), Group(**replicas)
        connect_primary: Any = self.members.connect
        connect_replica: Any = self.replicas.connect
        pool = PrimaryPool(self.members.addresses, connect_primary, size=4)
        settings = Settings(max_lag_seconds=5, max_staleness_during_outage_seconds=60)
        self.pool = ReaderPool(self.replicas.addresses, connect_replica, pool, settings)

    async def addresses(self, times: int = 40, gtid: str | None = None) -> set[str]:
        """Which replicas serve."""
        found = set()
        for _ in range(times):
            async with self.pool.reader(gtid) as connection:
                found.add(connection.address)
        return found


async def test_every_fresh_replica_serves_and_one_behind_does_not() -> None:
    stack = Stack(a=replica(), b=replica(behind=4), c=replica(behind=6))
    await stack.pool.refresh()

    assert await stack.addresses() == {"a", "b"}


async def test_without_a_fresh_replica_there_is_no_reader() -> None:
    stack = Stack(a=replica(behind=60))
    await stack.pool.refresh()

    with pytest.raises(NoReader):
        async with stack.pool.reader():
            pass


async def test_a_silent_primary_freezes_the_lag_instead_of_taking_the_readers_away() -> None:
    stack = Stack(a=replica(behind=1))
    await stack.pool.refresh()
    stack.primary.refuses = OSError("dead")

    for _ in range(3):
        await stack.pool.poll()

    assert await stack.addresses() == {"a"}


async def test_the_freeze_ends_after_the_longest_staleness(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(a=replica())
    await stack.pool.refresh()
    stack.pool._primary_seen -= 61

    assert stack.pool.eligible() == []
    assert stack.pool.frozen_seconds() > 60


async def test_without_any_primary_the_freshest_replica_is_the_measure() -> None:
    stack = Stack(a=replica(), b=replica(behind=10))
    stack.primary.refuses = OSError("dead")
    await stack.pool.refresh()

    assert await stack.addresses() == {"a"}


async def test_a_replica_whose_replication_stops_ages_out() -> None:
    stack = Stack(a=replica(), b=replica())
    await stack.pool.refresh()
    later = {"beat_at": BEAT + timedelta(seconds=6)}
    stack.primary.answers[readers._HEARTBEAT] = later
    stack.replicas.members["a"].answers[readers._STATE] |= later
    await stack.pool.poll()

    assert await stack.addresses() == {"a"}


async def test_a_token_goes_to_a_replica_that_has_it() -> None:
    stack = Stack(a=replica(executed=100), b=replica(executed=120))
    await stack.pool.refresh()

    assert await stack.addresses(gtid=f"{SOURCE}:1-110") == {"b"}


async def test_a_token_that_no_replica_has_is_waited_for_once() -> None:
    stack = Stack(a=replica(executed=100))
    await stack.pool.refresh()
    with pytest.raises(NoReader, match="in time"):
        async with stack.pool.reader(f"{SOURCE}:1-110"):
            pass

    stack.replicas.members["a"].answers[readers._WAIT] = {"timed_out": 0}
    assert await stack.addresses(1, gtid=f"{SOURCE}:1-110") == {"a"}


async def test_replicas_come_and_go_with_dns() -> None:
    stack = Stack(a=replica())
    await stack.pool.refresh()
    stack.replicas.members = {"b": replica()}
    await stack.pool.refresh()

    assert await stack.addresses() == {"b"}


async def test_what_is_known_stays_while_dns_is_away() -> None:
    stack = Stack(a=replica())
    await stack.pool.refresh()
    stack.replicas.dns_is_away = True
    await stack.pool.refresh()

    assert await stack.addresses() == {"a"}


async def test_a_replica_that_loses_a_connection_is_ejected_until_it_answers_again() -> None:
    stack = Stack(a=replica())
    await stack.pool.refresh()
    with pytest.raises(MysqlError):
        async with stack.pool.reader():
            raise MysqlError(2013, "lost")
    assert stack.pool.eligible() == []

    await stack.pool.poll()
    assert await stack.addresses() == {"a"}


@pytest.mark.parametrize("error", [StatementTimeout(0.001), ValueError("the caller's")])
async def test_a_callers_own_trouble_ejects_nobody(error: Exception) -> None:
    stack = Stack(a=replica())
    await stack.pool.refresh()
    with pytest.raises(type(error)):
        async with stack.pool.reader():
            raise error

    assert await stack.addresses() == {"a"}


async def test_the_less_busy_of_two_is_chosen() -> None:
    stack = Stack(a=replica(), b=replica())
    await stack.pool.refresh()
    async with stack.pool.reader() as first:
        other = {"a": "b", "b": "a"}[first.address]
        assert await stack.addresses() == {other}


async def test_a_replica_that_hangs_is_ejected_by_the_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_ANSWER_SECONDS", 0.02)
    stack = Stack(a=replica(), b=replica())
    await stack.pool.refresh()
    stack.replicas.members["a"].silent = True
    async with asyncio.timeout(1):
        await stack.pool.poll()

    assert await stack.addresses() == {"b"}


async def test_a_replica_without_a_connection_to_spare_keeps_serving_those_it_has() -> None:
    stack = Stack(a=replica())
    await stack.pool.refresh()
    stack.replicas.members["a"].refuses = MysqlError(1226, "User 'hcs_read' has exceeded max_user_connections")
    async with stack.pool.reader() as connection:
        await stack.pool.poll()
        with pytest.raises(NoReader):
            async with stack.pool.reader():
                pass
        assert not connection.broken

    assert await stack.addresses() == {"a"}


async def test_a_replica_that_is_full_for_long_grows_old() -> None:
    stack = Stack(a=replica())
    await stack.pool.refresh()
    stack.replicas.members["a"].refuses = MysqlError(1226, "User 'hcs_read' has exceeded max_user_connections")
    async with stack.pool.reader():
        stack.primary.answers[readers._HEARTBEAT] = {"beat_at": BEAT + timedelta(seconds=6)}
        await stack.pool.poll()

        assert stack.pool.eligible() == []
