"""What became of a transaction: committed, certainly not, or nobody knows."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.unit.services.played_mysql import MysqlError, pool_of, three

from hcs_services import request_context
from hcs_services.database.errors import (
    DeadlinePassed,
    OutcomeUnknown,
    StatementTimeout,
    TransactionLost,
    TransactionTooLarge,
)

pytestmark = pytest.mark.usefixtures("short_waits")


async def test_a_block_that_ends_well_is_committed() -> None:
    group = three()
    async with pool_of(group).transaction(track_gtid=True) as tx:
        pass

    assert (group.members["a"].commits, tx.committed_gtid) == (1, "gtid")


async def test_a_block_that_raises_is_rolled_back_and_its_connection_goes_on() -> None:
    group = three()
    pool = pool_of(group)

    with pytest.raises(ValueError, match="no"):
        async with pool.transaction():
            raise ValueError("no")
    async with pool.connection():
        pass

    assert "ROLLBACK" in group.members["a"].statements
    assert group.members["a"].commits == 0
    assert len(group.members["a"].alive) == 1


@pytest.mark.parametrize("number", [1213, 1205, 2006, 2013, 1290, 1836, 3100, 3101, 1053])
async def test_an_error_before_commit_means_certainly_not_committed(number: int) -> None:
    group = three()

    with pytest.raises(TransactionLost):
        async with pool_of(group).transaction():
            raise MysqlError(number, "x")

    assert group.members["a"].commits == 0


async def test_a_caller_whose_time_ends_before_commit_is_told_so() -> None:
    group = three()

    with pytest.raises(DeadlinePassed):
        async with pool_of(group).transaction():
            request_context.set_deadline(time.monotonic())
            raise StatementTimeout(0.01)

    assert group.members["a"].commits == 0


async def test_a_statement_that_is_late_while_the_caller_has_time_was_lost() -> None:
    request_context.set_deadline(time.monotonic() + 60)

    with pytest.raises(TransactionLost):
        async with pool_of(three()).transaction():
            raise StatementTimeout(10)


async def test_a_caller_who_comes_without_time_asks_nobody() -> None:
    group = three()
    request_context.set_deadline(time.monotonic())

    with pytest.raises(DeadlinePassed):
        async with pool_of(group).transaction():
            pass

    assert [member.opened for member in group.members.values()] == [0, 0, 0]


async def test_a_commit_that_outlives_the_callers_time_stays_unknown() -> None:
    group = three()
    group.members["a"].answers["COMMIT"] = StatementTimeout(5)
    group.members["a"].at_commit = lambda: request_context.set_deadline(time.monotonic())

    with pytest.raises(OutcomeUnknown):
        async with pool_of(group).transaction():
            request_context.set_deadline(time.monotonic())


@pytest.mark.parametrize("number", [3100, 3101, 1180, 1053, 2006, 2013, 1290])
async def test_an_error_of_commit_means_unknown(number: int) -> None:
    group = three()
    group.members["a"].answers["COMMIT"] = MysqlError(number, "x")

    with pytest.raises(OutcomeUnknown):
        async with pool_of(group).transaction() as tx:
            pass
    assert tx.broken, "what it still does there may land after it was settled"


async def test_a_write_set_that_the_server_finds_too_large_is_told_as_such() -> None:
    group = three()
    pool = pool_of(group)
    error = MysqlError(3231, "The size of writeset data for the current transaction exceeds a limit")

    with pytest.raises(TransactionTooLarge):
        async with pool.transaction():
            raise error
    group.members["a"].answers["COMMIT"] = error
    with pytest.raises(TransactionTooLarge):
        async with pool.transaction():
            pass


async def test_a_deadlock_at_commit_means_not_committed() -> None:
    group = three()
    group.members["a"].answers["COMMIT"] = MysqlError(1213, "x")

    with pytest.raises(TransactionLost):
        async with pool_of(group).transaction():
            pass


async def test_a_failed_statement_makes_the_pool_look_again() -> None:
    group = three("a")
    pool = pool_of(group)
    with pytest.raises(TransactionLost):
        async with pool.transaction():
            group.members["a"].primary, group.members["b"].primary = False, True
            raise MysqlError(1290, "super_read_only")

    async with pool.connection() as connection:
        assert connection.address == "b"


async def test_commit_goes_on_when_its_caller_is_cancelled() -> None:
    group = three()
    pool = pool_of(group)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        reached.set()
        await go_on.wait()

    group.members["a"].at_commit = slow

    async def write() -> None:
        async with pool.transaction():
            pass

    task = asyncio.create_task(write())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await pool.close()

    assert group.members["a"].commits == 1
    assert not group.members["a"].alive


async def test_a_cancelled_statement_costs_its_connection() -> None:
    group = three()
    pool = pool_of(group)

    async def stuck() -> None:
        async with pool.transaction():
            await asyncio.Event().wait()

    task = asyncio.create_task(stuck())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not group.members["a"].alive
