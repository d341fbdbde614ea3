"""Large reads: from a replica that has everything acknowledged before, else from the primary; never an older state."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.engine.mysql_servers import Mysqld
from tests.engine.worker.conftest import MakeOrder

from hcs_services.database.members import PrimaryPool
from hcs_services.database.readers import ReaderPool
from hcs_services.settings import Settings
from hcs_services.worker import order_reads
from hcs_services.worker.order_reads import ReplicaOrderReads
from hcs_services.worker.ports import Page

pytestmark = pytest.mark.engine

HOUR = timedelta(hours=1)


async def ids(pages: AsyncGenerator[Page]) -> list[int]:
    return [row["order_id"] async for page in pages for row in page]


@pytest.fixture
async def readers(settings: Settings, pool: PrimaryPool, mysql_reader: Mysqld) -> AsyncIterator[ReaderPool]:
    """The replica, eligible: a heart beats at the primary."""
    readers = ReaderPool.of(settings, "hcs_read", pool)

    async def beat() -> None:
        while True:
            async with pool.connection() as connection:
                await connection.execute(
                    "INSERT INTO heartbeat VALUES (1, UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE beat_at = UTC_TIMESTAMP(6)"
                )
            await asyncio.sleep(0.2)

    tasks = [asyncio.create_task(beat()), asyncio.create_task(readers.watch())]
    async with asyncio.timeout(60):
        while not readers.eligible():  # noqa: ASYNC110 - the pool polls
            await asyncio.sleep(0.05)
    yield readers
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await readers.close()


async def test_an_order_acknowledged_before_the_read_is_in_it(
    pool: PrimaryPool, readers: ReaderPool, make_order: MakeOrder
) -> None:
    reads, user, made = ReplicaOrderReads(pool, readers), f"u{secrets.token_hex(6)}", []
    for _ in range(20):
        made.append(await make_order(user=user))
        assert await ids(reads.of_user(user, datetime.now(UTC) - HOUR, datetime.now(UTC) + HOUR)) == made


async def test_a_replica_that_stands_still_is_not_read(
    pool: PrimaryPool, readers: ReaderPool, make_order: MakeOrder, mysql_reader: Mysqld
) -> None:
    reads, user = ReplicaOrderReads(pool, readers), f"u{secrets.token_hex(6)}"
    mysql_reader.run("STOP REPLICA SQL_THREAD")
    try:
        order_id = await make_order(user=user)
        found = await ids(reads.of_user(user, datetime.now(UTC) - HOUR, datetime.now(UTC) + HOUR))
    finally:
        mysql_reader.run("START REPLICA SQL_THREAD")
    assert found == [order_id]


async def test_pages_leave_nothing_out_and_repeat_nothing(
    pool: PrimaryPool, readers: ReaderPool, make_order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_reads, "PAGE", 3)
    reads, user = ReplicaOrderReads(pool, readers), f"u{secrets.token_hex(6)}"
    start = datetime.now(UTC) + timedelta(days=365)  # later than any other test's
    moments = [start + timedelta(seconds=second) for second in (0, 0, 0, 0, 1, 1, 2, 3, 3)]
    made = sorted([(at, await make_order(user=user, at=at)) for at in moments])
    of_user = await ids(reads.of_user(user, start, start + timedelta(seconds=3)))
    changed = await ids(reads.changed_since(start))
    assert of_user == [number for at, number in made if at < start + timedelta(seconds=3)]
    assert changed == [number for _, number in made]


async def test_an_order_that_changes_between_two_pages_is_in_them_once(
    pool: PrimaryPool, settings: Settings, make_order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_reads, "PAGE", 1)
    no_readers = ReaderPool.of(settings, "hcs_read", pool)
    reads, start = ReplicaOrderReads(pool, no_readers), datetime.now(UTC) + timedelta(days=730)
    made = [await make_order(at=start + timedelta(seconds=second)) for second in range(3)]
    found = []
    async with contextlib.aclosing(reads.changed_since(start)) as pages:
        async for page in pages:
            found += page
            later = (start + timedelta(hours=1)).replace(tzinfo=None)
            async with pool.connection() as connection:
                await connection.execute("UPDATE orders SET updated_at=%s WHERE order_id=%s", (later, made[0]))
    assert [row["order_id"] for row in found] == made
