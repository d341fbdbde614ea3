from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest
from prometheus_client import Counter
from tests.unit.services.played_mysql import Group, Member, MysqlError

from hcs_services import request_context
from hcs_services.database import line, members, settle
from hcs_services.database.connection import Connection
from hcs_services.database.errors import (
    DatabaseUnavailable,
    DeadlinePassed,
    OutcomeUnknown,
    StatementTimeout,
    TransactionLost,
    TransactionTooLarge,
)
from hcs_services.database.members import PrimaryPool
from hcs_services.database.settle import run_keyed


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(members, "_PAUSE", (0.001, 0.002))
    monkeypatch.setattr(settle, "_PAUSE", (0.001, 0.002))
    request_context.set_deadline(time.monotonic() + 1)
    yield
    request_context.set_deadline(None)


@pytest.fixture
def group() -> Group:
    return Group(a=Member(primary=True))


@pytest.fixture
def pool(group: Group) -> PrimaryPool:
    connect: Any = group.connect
    return PrimaryPool(group.addresses, connect, size=2)


class Work:
    """Notes how it was run; fails with the errors given, one a run."""

    def __init__(self, *errors: Exception) -> None:
        self.settling: list[bool] = []
        self._errors = list(errors)

    async def __call__(self, _connection: Connection, settling: bool) -> str:
        self.settling.append(settling)
        if self._errors:
            raise self._errors.pop(0)
        return "done"


async def test_work_is_committed_once_and_its_gtid_handed_back(group: Group, pool: PrimaryPool) -> None:
    work = Work()

    assert await run_keyed(pool, work) == ("done", "gtid")
    assert (group.members["a"].commits, work.settling) == (1, [False])


async def test_a_deadlock_is_repeated_and_settles_nothing(pool: PrimaryPool) -> None:
    work = Work(MysqlError(1213, "deadlock"), MysqlError(1205, "lock wait"))

    await run_keyed(pool, work)

    assert work.settling == [False, False, False]


async def test_endless_deadlocks_are_given_up(pool: PrimaryPool) -> None:
    with pytest.raises(TransactionLost):
        await run_keyed(pool, Work(*(MysqlError(1213, "deadlock") for _ in range(99))))


async def test_an_unknown_commit_is_settled_by_running_the_same_key_again(group: Group, pool: PrimaryPool) -> None:
    answers = group.members["a"].answers
    answers["COMMIT"] = MysqlError(2013, "lost")
    group.members["a"].at_commit = lambda: None
    work = Work()
    original = work.__call__

    async def once(connection: Connection, settling: bool) -> str:
        if settling:
            answers.pop("COMMIT", None)
        return await original(connection, settling)

    assert (await run_keyed(pool, once)).value == "done"
    assert work.settling == [False, True]


async def test_work_whose_commit_was_another_transactions_is_settled_from_the_start(pool: PrimaryPool) -> None:
    work = Work(MysqlError(1205, "the old session still holds the key"))

    await run_keyed(pool, work, settling=True)

    assert work.settling == [True, True]


async def test_without_a_primary_what_is_to_be_settled_stays_unknown(group: Group, pool: PrimaryPool) -> None:
    group.members["a"].primary = False
    request_context.set_deadline(time.monotonic() + 0.05)

    with pytest.raises(OutcomeUnknown):
        await run_keyed(pool, Work(), settling=True)


async def test_an_unknown_commit_that_nobody_can_settle_stays_unknown(group: Group, pool: PrimaryPool) -> None:
    request_context.set_deadline(time.monotonic() + 0.1)
    group.members["a"].answers["COMMIT"] = MysqlError(2013, "lost")

    def die() -> None:
        group.members["a"].primary = False

    group.members["a"].at_commit = die

    with pytest.raises(OutcomeUnknown):
        await run_keyed(pool, Work())


async def test_a_primary_that_refuses_twice_and_goes_on_leading_finds_it_too_large(
    group: Group, pool: PrimaryPool
) -> None:
    group.members["a"].answers["COMMIT"] = MysqlError(3100, "Error on observer while running replication hook")
    work = Work()

    with pytest.raises(TransactionTooLarge):
        await run_keyed(pool, work)
    assert work.settling == [False, True]


@pytest.mark.parametrize("number", [3100, 3231])
async def test_of_works_that_are_too_large_together_only_the_one_that_is_so_alone_fails(
    group: Group, pool: PrimaryPool, number: int
) -> None:
    member, splits = group.members["a"], Counter("split", "Groups that came to nothing.", registry=None)

    def refuse_three_rows() -> None:
        transaction = member.statements[len(member.statements) - member.statements[::-1].index("BEGIN") :]
        refused = MysqlError(number, "the limit is two rows")
        member.answers["COMMIT"] = refused if transaction.count("ROW") > 2 else None

    async def write(connection: Connection, rows: int) -> int:
        for _ in range(rows):
            await connection.execute("ROW")
        return rows

    async def transact(together: line.Group[int, int]) -> Awaitable[None]:
        async with pool.transaction() as connection:
            together.writers.update(together.board())
            for seat in together.commit_to():
                await write(connection, seat.item)
        raise AssertionError("committed")

    async def alone(rows: int, *, settling: bool) -> int:
        return (await run_keyed(pool, lambda connection, _: write(connection, rows), settling=settling)).value

    member.at_commit = refuse_three_rows
    together = line.Line[int, int](transact, size=64, abreast=1, wait=60, splits=splits)
    sent_on = await asyncio.gather(*(together.join(rows) for rows in (1, 3)))
    small, large = (it for it in sent_on if isinstance(it, line.Alone))

    assert await alone(1, settling=small.settling) == 1
    with pytest.raises(TransactionTooLarge):
        await alone(3, settling=large.settling)
    assert (splits._value.get(), member.commits) == (1, 1)


async def test_a_primary_that_refuses_and_leads_no_more_leaves_it_unknown(group: Group, pool: PrimaryPool) -> None:
    request_context.set_deadline(time.monotonic() + 0.2)
    member = group.members["a"]
    member.answers["COMMIT"] = MysqlError(3100, "Error on observer while running replication hook")
    commits = 0

    def demote() -> None:
        nonlocal commits
        commits += 1
        member.primary = commits < 2

    member.at_commit = demote

    with pytest.raises(OutcomeUnknown):
        await run_keyed(pool, Work())
    assert commits == 2


async def test_refusals_with_another_error_between_them_are_settled_on(group: Group, pool: PrimaryPool) -> None:
    answers = group.members["a"].answers
    refusal = MysqlError(3100, "Error on observer while running replication hook")
    results = [refusal, MysqlError(2013, "lost"), refusal]

    def next_result() -> None:
        if results:
            answers["COMMIT"] = results.pop(0)
        else:
            answers.pop("COMMIT")

    group.members["a"].at_commit = next_result

    assert (await run_keyed(pool, Work())).value == "done"


async def test_lost_transactions_while_settling_never_turn_it_into_a_no(group: Group, pool: PrimaryPool) -> None:
    request_context.set_deadline(time.monotonic() + 0.1)
    group.members["a"].answers["COMMIT"] = MysqlError(2013, "lost")

    async def blocked(_connection: Connection, settling: bool) -> str:
        if settling:
            raise MysqlError(1205, "the old session still holds the key")
        return "done"

    with pytest.raises(OutcomeUnknown):
        await run_keyed(pool, blocked)


async def test_time_that_ends_while_settling_never_turns_it_into_a_no(group: Group, pool: PrimaryPool) -> None:
    group.members["a"].answers["COMMIT"] = MysqlError(2013, "lost")

    async def late(_connection: Connection, settling: bool) -> str:
        if settling:
            request_context.set_deadline(time.monotonic())
            raise StatementTimeout(0.1)
        return "done"

    with pytest.raises(OutcomeUnknown):
        await run_keyed(pool, late)


async def test_a_deadlock_just_before_the_deadline_never_turns_it_into_a_no(group: Group, pool: PrimaryPool) -> None:
    group.members["a"].answers["COMMIT"] = MysqlError(2013, "lost")

    async def blocked(_connection: Connection, settling: bool) -> str:
        if settling:
            request_context.set_deadline(time.monotonic() + settle._PAUSE[1] / 2)
            raise MysqlError(1213, "deadlock")
        return "done"

    with pytest.raises(OutcomeUnknown, match="deadlock"):
        await run_keyed(pool, blocked)


async def test_time_that_ends_before_the_first_commit_is_the_callers(pool: PrimaryPool) -> None:
    async def late(_connection: Connection, _settling: bool) -> str:
        request_context.set_deadline(time.monotonic())
        raise StatementTimeout(0.1)

    with pytest.raises(DeadlinePassed):
        await run_keyed(pool, late)


async def test_no_primary_at_all_is_unavailable(group: Group, pool: PrimaryPool) -> None:
    group.members["a"].primary = False
    request_context.set_deadline(time.monotonic() + 0.05)

    with pytest.raises(DatabaseUnavailable):
        await run_keyed(pool, Work())


async def test_a_refusal_of_the_work_is_rolled_back_and_passed_on(group: Group, pool: PrimaryPool) -> None:
    with pytest.raises(ValueError, match="refused"):
        await run_keyed(pool, Work(ValueError("refused")))
    assert group.members["a"].commits == 0
