"""Who the primary is, and how many connections lead to it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from tests.unit.services.played_mysql import Group, Member, MysqlError, PlayedConnection, pool_of, three

from hcs_services import request_context
from hcs_services.database import members, primary_finder
from hcs_services.database.errors import DatabaseUnavailable, StatementTimeout

pytestmark = pytest.mark.usefixtures("short_waits")


def due_in(seconds: float) -> None:
    request_context.set_deadline(time.monotonic() + seconds)


def member_of(connection: Any) -> PlayedConnection:
    assert isinstance(connection, PlayedConnection)
    return connection


async def test_the_primary_is_who_says_so_itself() -> None:
    pool = pool_of(three("b"))

    async with pool.connection() as connection:
        assert connection.address == "b"


async def test_connections_are_reused() -> None:
    group = three()
    pool = pool_of(group)

    for _ in range(5):
        async with pool.connection():
            pass

    assert len(group.members["a"].alive) == 1


async def test_no_primary_within_the_deadline_is_unavailable() -> None:
    pool = pool_of(Group(a=Member(), b=Member(refuses=OSError("refused"))))
    due_in(0.05)

    with pytest.raises(DatabaseUnavailable):
        async with pool.connection():
            pass


async def test_a_request_waits_for_the_next_primary_within_its_deadline() -> None:
    group = three("none")
    pool = pool_of(group)
    due_in(2)

    async def elect() -> None:
        await asyncio.sleep(0.05)
        group.members["c"].primary = True

    election = asyncio.create_task(elect())
    async with pool.connection() as connection:
        assert connection.address == "c"
    await election


async def test_who_waits_goes_on_as_soon_as_another_has_found_the_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_PAUSE", (60, 60))
    group = three("none")
    pool = pool_of(group)
    due_in(30)

    async def write() -> str:
        async with pool.connection() as connection:
            return connection.address

    writing = asyncio.create_task(write())
    while pool._looking is None or not pool._looking.done():  # noqa: ASYNC110 - the look tells nobody
        await asyncio.sleep(0)
    group.members["c"].primary = True
    await pool.refresh()
    assert await writing == "c"


async def test_a_primary_without_its_majority_is_none() -> None:
    group = Group(a=Member(primary=True, reachable=1, members=3))
    due_in(0.05)

    with pytest.raises(DatabaseUnavailable):
        async with pool_of(group).connection():
            pass


async def test_no_more_connections_than_the_size_are_open() -> None:
    group = three()
    pool = pool_of(group, size=2)
    most = 0

    async def use() -> None:
        nonlocal most
        async with pool.connection():
            most = max(most, len(group.members["a"].alive))
            await asyncio.sleep(0.001)

    await asyncio.gather(*(use() for _ in range(20)))

    assert most <= 2


async def test_who_waits_too_long_for_a_connection_is_told() -> None:
    pool = pool_of(three(), size=1)
    async with pool.connection():
        due_in(0.02)
        with pytest.raises(DatabaseUnavailable, match="in use"):
            async with pool.connection():
                pass


async def test_connections_to_a_demoted_primary_are_closed_at_once_even_in_use() -> None:
    group = three("a")
    pool = pool_of(group)
    async with pool.connection() as connection:
        group.members["a"].primary, group.members["b"].primary = False, True
        await pool.refresh()
        assert member_of(connection).broken
    assert pool.primary == "b"
    assert not group.members["a"].alive


async def test_a_primary_that_is_silent_once_keeps_its_connections() -> None:
    group = three("a")
    primary = group.members["a"]
    pool = pool_of(group)
    async with pool.connection() as connection:
        primary.refuses = TimeoutError()
        looking = asyncio.create_task(pool.refresh())
        while primary.refused == 0:  # noqa: ASYNC110 - the look tells nobody
            await asyncio.sleep(0)
        primary.refuses = None
        assert await looking == "a"
        assert not member_of(connection).broken


async def test_one_look_is_enough_to_give_up_a_primary_that_stays_silent() -> None:
    group = three("a")
    pool = pool_of(group)
    async with pool.connection() as connection:
        group.members["a"].refuses = TimeoutError()
        assert await pool.refresh() is None
        assert member_of(connection).broken


async def test_a_thawed_primary_is_not_taken_for_the_one_that_was_elected_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(primary_finder, "PROBE_SECONDS", 60)
    group = three("b")
    group.members["a"].primary = True
    for name in "bc":
        group.members[name].number = 2
    group.members["b"].silent = group.members["c"].silent = True  # so that the old one answers first
    pool = pool_of(group)
    looking = asyncio.create_task(pool.refresh())
    while not group.members["a"].statements:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not looking.done()
    group.members["b"].silent = group.members["c"].silent = False
    assert await looking == "b"


async def test_a_primary_that_stays_is_kept_while_dns_is_away() -> None:
    group = three("a")
    pool = pool_of(group)
    await pool.refresh()
    group.dns_is_away = True

    assert await pool.refresh() == "a"


async def test_of_two_that_claim_it_the_one_that_just_failed_is_not_trusted() -> None:
    group = three("a")
    pool = pool_of(group)
    await pool.refresh()
    group.members["b"].primary = True

    assert await pool.refresh(suspect="a") == "b"


async def test_the_watch_notices_a_change_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "WATCH_SECONDS", 0.01)
    group = three("a")
    pool = pool_of(group)
    await pool.refresh()
    watch = asyncio.create_task(pool.watch())
    group.members["a"].primary, group.members["c"].primary = False, True

    async with asyncio.timeout(2):
        while pool.primary != "c":  # noqa: ASYNC110 - the watch tells nobody
            await asyncio.sleep(0.005)
    watch.cancel()


async def test_a_dead_member_delays_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primary_finder, "PROBE_SECONDS", 60)
    group = three("c")
    group.members["a"].silent = True  # the look's probe of it would take its whole time-out
    pool = pool_of(group)

    async with asyncio.timeout(primary_finder.PROBE_SECONDS / 2):
        assert await pool.refresh() == "c"


async def test_a_look_is_not_cut_short_by_the_request_that_began_it() -> None:
    group = three("a")
    pool = pool_of(group)
    due_in(-1)

    assert await pool.refresh() == "a"
    assert seen_deadlines(group) == {None}


def seen_deadlines(group: Group) -> set[float | None]:
    return {at for member in group.members.values() for at in member.deadlines}


@pytest.mark.parametrize("number", [1040, 1203, 1226])
async def test_a_primary_that_is_full_keeps_the_connections_it_gave(number: int) -> None:
    group = three("a")
    pool = pool_of(group)
    async with pool.connection() as connection:
        group.members["a"].refuses = MysqlError(number, "Too many connections")
        for _ in range(3):
            await pool.refresh()
        assert not member_of(connection).broken


async def test_a_pod_that_comes_to_a_full_primary_waits_until_another_lets_go() -> None:
    group = three()
    primary = group.members["a"]
    primary.refuses = MysqlError(1226, "User 'hcs_app' has exceeded the 'max_user_connections' resource")
    pool = pool_of(group)
    due_in(2)

    async def let_go() -> None:
        await asyncio.sleep(0.05)
        primary.refuses = None

    letting_go = asyncio.create_task(let_go())
    async with pool.connection() as connection:
        assert connection.address == "a"
    await letting_go


async def test_a_primary_that_stays_full_is_unavailable_and_nothing_was_done() -> None:
    group = three()
    group.members["a"].refuses = MysqlError(1226, "User 'hcs_app' has exceeded the 'max_user_connections' resource")
    due_in(0.05)

    with pytest.raises(DatabaseUnavailable):
        async with pool_of(group).transaction():
            pass


async def test_a_lost_connection_takes_the_idle_ones_with_it() -> None:
    group = three()
    pool = pool_of(group)
    async with pool.connection() as first, pool.connection():
        held = member_of(first)
    with pytest.raises(MysqlError):
        async with pool.connection() as connection:
            member_of(connection).member.answers["SELECT 1"] = MysqlError(2013, "Lost connection")
            await connection.fetch_one("SELECT 1")
    assert held.broken
    assert group.members["a"].alive == []


async def test_what_is_lost_at_a_member_that_was_left_says_nothing_of_the_new_primary() -> None:
    group = three("a")
    pool = pool_of(group)
    with pytest.raises(MysqlError):
        async with pool.connection() as old:
            group.members["a"].primary, group.members["b"].primary = False, True
            await pool.refresh()
            async with pool.connection() as new:
                idle = member_of(new)
            await old.fetch_one("SELECT 1")
    assert not idle.broken
    assert pool._looking is not None
    assert pool._looking.done()


@pytest.mark.parametrize(("seconds", "suspected"), [(-1.0, False), (5.0, True)])
async def test_a_caller_without_time_left_casts_no_doubt_on_the_primary(seconds: float, suspected: bool) -> None:
    pool = pool_of(three())
    await pool.refresh()
    with pytest.raises(StatementTimeout):
        async with pool.connection() as connection:
            due_in(seconds)
            member_of(connection).member.answers["SELECT 1"] = StatementTimeout(1)
            await connection.fetch_one("SELECT 1")
    assert (pool._looking is not None and not pool._looking.done()) is suspected
