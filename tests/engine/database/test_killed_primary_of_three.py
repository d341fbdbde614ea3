"""A group of three whose primary is killed under its clients: nothing is oversold, and no token is betrayed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pymysql
import pytest
from tests.engine.brokers import RedisServer
from tests.engine.containers import until
from tests.engine.database.group import grown_to_three, leader, members, of_three
from tests.engine.database.trial import Pod, Trial
from tests.engine.mysql_servers import NAMESPACE, MysqlGroup, apply_schema
from tests.engine.read_api.conftest import BEAT, Api, beating, eventually, running
from tests.engine.read_api.token_race import WRITES, Race
from tests.engine.write_api.calls import product
from tests.engine.write_api.conftest import ROOT, Start
from tests.engine.write_api.sale import CLIENTS, PIECES, TURNS, Sale, Till, check

from hcs_services.settings import Settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]
READS = 4_000
BACK_WITHIN = 60.0
"""Seconds for a new primary to take writes, with room: that this takes a tenth of it is another test's affair."""


@pytest.fixture(scope="module")
def grown(new_trial: Callable[[], Trial]) -> Trial:
    """Three members with the services' tables."""
    trial = grown_to_three(new_trial())
    apply_schema(leader(trial).server, ROOT / "services" / "hcs_services" / "schema")
    return trial


@pytest.fixture
def trio(grown: Trial) -> Trial:
    """All three are there, whoever was killed before."""
    grown.converge("the group counts three", of_three(grown), 120)
    return grown


@pytest.fixture
def host(trio: Trial) -> str:
    """The members' name."""
    return f"{trio.stack}-db-0.{NAMESPACE}"


@pytest.fixture
def own_credentials(trio: Trial, credentials: Path, tmp_path: Path) -> Path:
    """As in a pod of their stack."""
    own = Path(shutil.copytree(credentials, tmp_path / "credentials"))
    for account in ("app", "read"):
        (own / "database" / f"{account}-password").write_text(trio.password(f"{account}-password"))
    (own / "database" / "ca.crt").write_text(trio.authority.certificate)
    return own


@pytest.fixture
def start(host: str, own_credentials: Path, start_write_api: Start) -> Start:
    """Starts write APIs over them."""
    settings = {"DATABASE_MEMBERS_HOST": host, "HCS_CREDENTIALS_DIR": str(own_credentials)}
    return partial(start_write_api, LOG_LEVEL="warning", **settings)


def test_what_is_sold_is_what_there_was_though_the_primary_is_killed(trio: Trial, start: Start) -> None:
    first, till = leader(trio), Till(start, start())
    try:
        sale, wanted = asyncio.run(sold(till, first))
    finally:
        till.process.popen.kill()
    print(f"\n{len(sale.placed)} orders, asked again: {dict(sale.again)}")
    trio.converge("the group counts three again", of_three(trio), 120)
    second = leader(trio)
    assert second is not first
    check(sale, second.server, sorted(set(wanted)), wanted)
    assert sale.again["broken off"] > 0
    until("all members have the same orders", lambda: len({_orders(pod) for pod in members(trio)}) == 1, 30)


async def sold(till: Till, first: Pod) -> tuple[Sale, list[str]]:
    """What came of a sale in which the write API is killed, then the primary, then the write API, and what was wanted."""
    async with aiohttp.ClientSession(till.url) as session:
        wanted = [await product(session, stock=PIECES)] * (CLIENTS * TURNS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.timeout(240):
        sale = Sale(till, session)

        async def kill() -> None:
            for killed in (till.kill, partial(asyncio.to_thread, first.container.kill), till.kill):
                await sale.due.wait()
                sale.due.clear()
                await killed()

        await asyncio.gather(sale.run(wanted), kill())
    return sale, wanted


def _orders(pod: Pod) -> str:
    return str(pod.server.ask("CHECKSUM TABLE hcs.orders, hcs.products"))


@dataclass(kw_only=True)
class OfThree(Api):
    """A read API whose replicas are the members, and a writer who goes on at whoever leads."""

    connect: Callable[[], Any]

    def order(self, user: str, order_id: str | None = None, status: str = "PENDING") -> tuple[str, dict[str, Any], str]:
        """Commits an order, asking again until it is told of its commit."""
        told = []

        def ask() -> bool:
            try:
                told.append(super(OfThree, self).order(user, order_id, status))
            except pymysql.MySQLError:
                self.connection = self.connect()
                raise
            return True

        until("the order is committed", ask, BACK_WITHIN, every=0.05)
        return told[0]


@pytest.fixture
def at_the_leader(trio: Trial, host: str, own_credentials: Path) -> Iterator[Callable[[], Any]]:
    """Makes connections to whoever leads, as the write API's account; closes them at the end."""
    with ExitStack() as stack:

        def connect() -> Any:
            group = MysqlGroup(leader(trio).server, own_credentials, host, host)
            return stack.enter_context(group.connection("app"))

        yield connect


@pytest.fixture
async def api(
    trio: Trial, host: str, own_credentials: Path, redis_server: RedisServer, at_the_leader: Callable[[], Any]
) -> AsyncIterator[OfThree]:
    """It waits long for its cache, as `world` does."""
    settings = Settings(
        tier="read-api",
        credentials_dir=own_credentials,
        database_members_host=host,
        database_readers_host=host,
        cache_url=redis_server.url,
        cache_timeout_ms=10_000,
    )

    def beat() -> None:
        with suppress(AssertionError, pymysql.MySQLError):  # nobody leads, or no more
            leader(trio).server.run("USE hcs", BEAT)

    beats = asyncio.create_task(beating(beat))
    async with running(settings) as (tier, cache):
        connection = await asyncio.to_thread(at_the_leader)
        yield OfThree(settings=settings, tier=tier, cache=cache, connection=connection, connect=at_the_leader)
    beats.cancel()


async def test_no_reader_with_a_token_sees_an_older_state_though_the_primary_is_killed(
    trio: Trial, api: OfThree
) -> None:
    first, at_the_kill = leader(trio), []

    async def killed(race: Race) -> None:
        half = len(race.known) * WRITES // 2
        await eventually("half is written", lambda: race.written.total() >= half or race.over.is_set(), BACK_WITHIN)
        await asyncio.to_thread(first.container.kill)
        at_the_kill.append(race.checked.copy())

    race = Race(api, READS)
    await race.run(killed)

    await race.check()
    assert leader(trio) is not first
    after = race.checked - at_the_kill[0]
    print(f"after the kill: {dict(after)}")
    assert after["replica"] > 0
