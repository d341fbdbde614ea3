"""The pool of replicas against a real one: the relay's heartbeat is what it lives on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.engine.mysql_servers import Mysqld, MysqlGroup
from tests.engine.write_api.calls import eventually, order, product

from hcs_services import tokens
from hcs_services.database.errors import NoReader
from hcs_services.database.members import PrimaryPool
from hcs_services.database.readers import ReaderPool
from hcs_services.settings import Settings

pytestmark = pytest.mark.engine


@pytest.fixture
async def readers(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, mysql_reader: Mysqld, credentials: Path
) -> AsyncIterator[ReaderPool]:
    """A pool that watches, beside a write API whose relay beats the heart."""
    assert client is not None
    assert mysql_reader.answers()
    settings = Settings(
        database_members_host=mysql_group.members_host,
        database_readers_host=mysql_group.readers_host,
        credentials_dir=credentials,
        max_lag_seconds=3,
        consistency_max_wait_ms=1000,
    )
    primary = PrimaryPool.of(settings, "hcs_read")
    pool = ReaderPool.of(settings, "hcs_read", primary)
    await pool.refresh()
    watch = asyncio.create_task(pool.watch())
    yield pool
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    await pool.close()
    await primary.close()


async def test_a_token_is_met_by_the_replica(
    readers: ReaderPool, client: aiohttp.ClientSession, credentials: Path
) -> None:
    async def serves() -> bool:
        return bool(readers.eligible())

    await eventually("the replica serves", serves)
    _, document, headers = await order(client, await product(client))
    key = (credentials / "tokens" / "consistency").read_text().encode()
    token = tokens.decode(key, headers["X-Consistency-Token"])

    async with readers.reader(token.gtid) as connection:
        row = await connection.fetch_one("SELECT ver FROM orders WHERE ver = %s", (document["version"],))

    assert row == {"ver": document["version"]}


async def test_a_replica_that_stops_following_is_ejected_and_comes_back(
    readers: ReaderPool, mysql_reader: Mysqld
) -> None:
    async def serves() -> bool:
        return bool(readers.eligible())

    async def ejected() -> bool:
        return not readers.eligible()

    await eventually("the replica serves", serves)
    mysql_reader.run("STOP REPLICA")
    try:
        await eventually("its heartbeat ages", ejected, 30)
        with pytest.raises(NoReader):
            async with readers.reader():
                pass
    finally:
        mysql_reader.run("START REPLICA")
    await eventually("it serves again", serves, 30)
    assert readers.frozen_seconds() < 3
