"""No oversell on a group of three: sixty-four clients, a write API that is killed, and then the primary."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from tests.engine.containers import until
from tests.engine.database.group import grown_to_three, leader, members, of_three
from tests.engine.database.trial import Pod, Trial
from tests.engine.mysql_servers import NAMESPACE, apply_schema
from tests.engine.write_api.calls import product
from tests.engine.write_api.conftest import ROOT, Start
from tests.engine.write_api.sale import CLIENTS, PIECES, TURNS, Sale, Till, check

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]


@pytest.fixture
def trio(new_trial: Callable[[], Trial]) -> Trial:
    """Three members with the services' tables."""
    trial = grown_to_three(new_trial())
    apply_schema(leader(trial).server, ROOT / "services" / "hcs_services" / "schema")
    return trial


@pytest.fixture
def start(trio: Trial, start_write_api: Start, credentials: Path, tmp_path: Path) -> Start:
    """Starts write APIs over them."""
    own = Path(shutil.copytree(credentials, tmp_path / "credentials"))
    for account in ("app", "read"):
        (own / "database" / f"{account}-password").write_text(trio.password(f"{account}-password"))
    (own / "database" / "ca.crt").write_text(trio.authority.certificate)
    host = f"{trio.stack}-db-0.{NAMESPACE}"
    return partial(start_write_api, DATABASE_MEMBERS_HOST=host, HCS_CREDENTIALS_DIR=str(own), LOG_LEVEL="warning")


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
