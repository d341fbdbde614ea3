from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.services.played_mysql import Group, Member, MysqlError

from hcs_services.database import readers
from hcs_services.database.errors import NoReader, ReadersTooOld, StatementTimeout
from hcs_services.database.members import PrimaryPool
from hcs_services.database.readers import ReaderPool
from hcs_services.settings import Settings

SOURCE = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
BEAT = datetime(2026, 11, 23, 20, 0)  # noqa: DTZ001 - as the database gives it
BEAT_UNIX = BEAT.replace(tzinfo=UTC).timestamp()


def replica(*, behind: float = 0, executed: int = 100) -> Member:
    state = {"gtid": f"{SOURCE}:1-{executed}", "beat_at": BEAT - timedelta(seconds=behind)}
    return Member(answers={readers._STATE: state, readers._WAIT: {"timed_out": 1}})


class Stack:
    """A primary and replicas, played, and the pools over them."""

    def __init__(self, *, seconds: float = 0.0, **replicas: Member) -> None:
        self.primary = Member(primary=True, answers={readers._HEARTBEAT: {"beat_at": BEAT}})
        self.members, self.replicas = Group(m=self.primary), Group(**replicas)
        connect_primary: Any = self.members.connect
        connect_replica: Any = self.replicas.connect
        self.primaries = PrimaryPool(self.members.addresses, connect_primary, size=4)
        settings = Settings(max_lag_seconds=5, max_staleness_during_outage_seconds=60)
        self.seconds = seconds
        self.pool = ReaderPool(
            self.replicas.addresses,
            connect_replica,
            self.primaries,
            settings,
            clock=lambda: 1000 + self.seconds,
            wall=lambda: BEAT_UNIX + self.seconds,
        )

    async def primary_falls(self) -> None:
        """Let nobody be primary any more, and be noticed: by its own word, which costs no waiting."""
        self.primary.primary = False
        await self.primaries.refresh()

    async def passes(self, seconds: float) -> None:
        """Let time go by, and poll."""
        self.seconds += seconds
        await self.pool.poll()

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
    for connection in list(stack.primary.alive):
        connection.close()

    for _ in range(3):
        await stack.passes(15)

    assert await stack.addresses() == {"a"}
    assert stack.pool.frozen_seconds() == 45


async def test_the_freeze_ends_after_the_longest_staleness_of_which_the_lag_is_a_part() -> None:
    stack = Stack(a=replica(), b=replica(behind=2))
    await stack.pool.refresh()
    await stack.primary_falls()

    await stack.passes(58)
    assert await stack.addresses() == {"a", "b"}
    await stack.passes(1)
    assert await stack.addresses() == {"a"}
    await stack.passes(2)
    with pytest.raises(ReadersTooOld, match=r"since 2026-11-23T20:00:00Z, and replicas serve for 60 s without one"):
        await stack.addresses()
    assert stack.pool.frozen_seconds() == 61


async def test_a_primary_that_is_back_ends_the_outage() -> None:
    stack = Stack(a=replica())
    await stack.pool.refresh()
    await stack.primary_falls()
    await stack.passes(61)
    stack.primary.primary = True
    await stack.passes(1)

    assert await stack.addresses() == {"a"}
    assert (stack.pool.outage(), stack.pool.frozen_seconds()) == (None, 0)


async def test_a_silence_within_the_largest_lag_is_no_outage() -> None:
    stack = Stack(a=replica())
    await stack.pool.refresh()
    await stack.primary_falls()
    await stack.passes(5)

    assert stack.pool.outage() is None


async def test_an_outage_says_since_when_and_until_when_and_neither_moves() -> None:
    stack = Stack(a=replica())
    await stack.pool.refresh()
    await stack.primary_falls()
    for _ in range(2):
        await stack.passes(10)
        outage = stack.pool.outage()
        assert outage is not None
        assert (outage.since, outage.until) == (BEAT_UNIX, BEAT_UNIX + 60)


async def test_a_replica_that_was_behind_before_the_outage_does_not_serve_in_it() -> None:
    stack = Stack(a=replica(behind=6))
    await stack.pool.refresh()
    await stack.primary_falls()
    await stack.passes(10)

    with pytest.raises(NoReader, match="no eligible replica"):
        await stack.addresses()


async def test_a_token_is_honoured_without_a_primary() -> None:
    stack = Stack(a=replica(executed=100), b=replica(executed=120))
    await stack.pool.refresh()
    await stack.primary_falls()
    await stack.passes(20)

    assert await stack.addresses(gtid=f"{SOURCE}:1-110") == {"b"}
    with pytest.raises(NoReader, match="in time"):
        await stack.addresses(1, gtid=f"{SOURCE}:1-130")


async def test_a_process_that_begins_in_an_outage_does_not_begin_it_anew() -> None:
    stack = Stack(seconds=50, a=replica())
    await stack.primary_falls()
    await stack.pool.refresh()
    assert (await stack.addresses(), stack.pool.frozen_seconds()) == ({"a"}, 50)

    await stack.passes(11)
    with pytest.raises(ReadersTooOld, match="since 2026-11-23T20:00:00Z"):
        await stack.addresses()


async def test_without_any_primary_the_freshest_replica_is_the_measure() -> None:
    stack = Stack(a=replica(), b=replica(behind=10))
    await stack.primary_falls()
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
    stack = Stack(a=replica(), b=replica())
    await stack.pool.refresh()
    monkeypatch.setattr(readers, "_ANSWER_SECONDS", 0.2)
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
