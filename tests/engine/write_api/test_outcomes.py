"""What becomes of a write when its COMMIT's answer is lost, and of the outbox when the broker is."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.engine.brokers import RabbitmqServer
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.write_api.calls import eventually, order, product, rows
from tests.engine.write_api.conftest import Process, Start
from tests.engine.write_api.rigs import AtCommit, lose_answer, lose_request, rig

from hcs_services.database.connection import Account, account, open_connection
from hcs_services.database.errors import Meaning, meaning
from hcs_services.database.settle import REPEATS
from hcs_services.identifiers import parse_order_id
from hcs_services.settings import Settings
from hcs_services.write_api import outbox, retention
from hcs_services.write_api.repository import MySqlRepository

pytestmark = pytest.mark.engine


def app_login(environment: dict[str, str]) -> Account:
    """How the write API signs in."""
    host, folder = environment["DATABASE_MEMBERS_HOST"], Path(environment["HCS_CREDENTIALS_DIR"])
    return account(Settings(database_members_host=host, credentials_dir=folder), "hcs_app", host=host)


@pytest.mark.parametrize("lost", [lose_answer, lose_request], ids=["after it happened", "before it happened"])
@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "unkeyed"])
async def test_a_commit_whose_answer_is_lost_is_settled_to_one_order(
    client: aiohttp.ClientSession,
    mysql_group: MysqlGroup,
    tier_environment: Callable[[str], dict[str, str]],
    lost: AtCommit,
    keyed: bool,
) -> None:
    product_id = await product(client, stock=10)
    key = secrets.token_hex(8) if keyed else None
    unknown = REPEATS.labels("outcome-unknown")
    before = unknown._value.get()

    async with rig(mysql_group, tier_environment("write-api"), lost) as disturbed:
        status, document, headers = await disturbed.order(product_id, key)

    assert unknown._value.get() > before
    assert status == 201
    assert "Idempotency-Replayed" not in headers
    found = rows(mysql_group, "SELECT order_id, ver FROM hcs.orders WHERE product_id = %s", product_id)
    assert [document["version"]] == [row["ver"] for row in found]
    left = rows(mysql_group, "SELECT stock FROM hcs.products WHERE product_id = %s", product_id)[0]["stock"]
    assert left == 9


async def test_closing_a_connection_wakes_the_statement_that_a_hung_server_owes(
    mysql_group: MysqlGroup, tier_environment: Callable[[str], dict[str, str]]
) -> None:
    login = app_login(tier_environment("write-api"))
    connection = await open_connection(login, mysql_group.primary.host, connect_seconds=20)
    mysql_group.primary.container.pause()
    try:
        statement = asyncio.ensure_future(connection.fetch_one("SELECT 1"))
        await asyncio.sleep(0.2)
        connection.close()
        done, _ = await asyncio.wait([statement], timeout=login.statement_seconds / 2)
    finally:
        mysql_group.primary.container.unpause()
    assert done == {statement}
    assert meaning(statement.exception() or AssertionError()) is Meaning.LOOK_AGAIN


async def test_a_cancelled_request_leaves_its_commit_alone(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup, tier_environment: Callable[[str], dict[str, str]]
) -> None:
    product_id = await product(client, stock=10)
    reached = asyncio.Event()

    async with rig(mysql_group, tier_environment("write-api"), lambda _proxy: reached.set()) as disturbed:
        write = asyncio.create_task(disturbed.order(product_id, None))
        await reached.wait()
        write.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await write

        async def committed() -> bool:
            return len(rows(mysql_group, "SELECT 1 FROM hcs.orders WHERE product_id = %s", product_id)) == 1

        await eventually("the commit happened all the same", committed, 5)


async def test_the_outbox_is_relayed_once_the_broker_is_back(
    client: aiohttp.ClientSession,
    admin: aiohttp.ClientSession,
    mysql_group: MysqlGroup,
    rabbitmq_server: RabbitmqServer,
) -> None:
    product_id = await product(client)

    def waiting() -> list[dict[str, Any]]:
        return rows(mysql_group, "SELECT id FROM hcs.outbox WHERE kind = 'task'")

    async def refused() -> bool:
        return bool(rows(mysql_group, "SELECT id FROM hcs.outbox WHERE kind = 'task' AND attempts > 0"))

    rabbitmq_server.container.pause()
    try:
        status, _, _ = await order(client, product_id)
        assert status == 201
        await eventually("the row is refused and stays", refused, 30)
        async with admin.get("/selftest") as answer:
            assert (answer.status, (await answer.json())["ok"]) == (200, True)
    finally:
        rabbitmq_server.container.unpause()

    async def relayed() -> bool:
        return not waiting()

    await eventually("the row is published and gone", relayed, 60)


async def test_a_relay_waits_for_no_row_of_the_other_kinds(
    mysql_group: MysqlGroup, tier_environment: Callable[[str], dict[str, str]]
) -> None:
    login = app_login(tier_environment("write-api"))
    now = datetime.now(UTC)
    mine, other = [await open_connection(login, mysql_group.primary.host, connect_seconds=20) for _ in range(2)]
    try:
        for connection in (other, mine):
            await connection.begin()
        await MySqlRepository(other).add_to_outbox("cache", {}, "edsger", now)
        for _ in range(20):  # of one alone the server would look at no other
            await MySqlRepository(mine).add_to_outbox("task", {}, "edsger", now)
        taken = [row for row in await outbox.take(mine, ("task",), 100) if row.created_at == now.replace(tzinfo=None)]
        assert len(taken) == 20
        async with asyncio.timeout(login.statement_seconds / 2):
            await outbox.settle(mine, taken, {row.id for row in taken})
    finally:
        mine.close()
        other.close()


async def test_another_pod_leads_at_once_when_the_leader_ends(
    start_write_api: Start, write_api: Process, mysql_group: MysqlGroup
) -> None:
    def leader() -> str | None:
        found = rows(mysql_group, "SELECT holder FROM hcs.relay_lease WHERE expires_at > UTC_TIMESTAMP(6)")
        return found[0]["holder"] if found else None

    first = start_write_api()

    # the leader so far is another process: take its lease away until the first holds it
    async def first_leads() -> bool:
        holder = leader()
        if holder is not None and f"-{first.popen.pid}-" not in holder:
            mysql_group.primary.run("DELETE FROM hcs.relay_lease")
        return holder is not None and f"-{first.popen.pid}-" in holder

    await eventually("the first leads", first_leads, 30)
    assert first.stop() == 0

    async def other_leads() -> bool:
        return f"-{write_api.popen.pid}-" in (leader() or "")

    await eventually("the other leads, sooner than the lease would expire", other_leads, 4)


async def test_inbox_rows_past_their_day_are_swept(
    mysql_group: MysqlGroup, tier_environment: Callable[[str], dict[str, str]]
) -> None:
    name = secrets.token_hex(8)
    mysql_group.primary.run(
        f"INSERT INTO hcs.inbox (task_id, done_at, slot, ver)"
        f" VALUES ('old{name}', UTC_TIMESTAMP(6) - INTERVAL 25 HOUR, 0, 1),"
        f" ('new{name}', UTC_TIMESTAMP(6) - INTERVAL 23 HOUR, 0, 1)"
    )
    environment = tier_environment("write-api")
    settings = Settings(credentials_dir=Path(environment["HCS_CREDENTIALS_DIR"]))
    login = account(settings, "hcs_app", host=mysql_group.members_host)
    connection = await open_connection(login, mysql_group.members_host, connect_seconds=20)

    await retention.sweep(connection, settings)
    connection.close()

    left = rows(mysql_group, "SELECT task_id FROM hcs.inbox WHERE task_id LIKE %s", f"%{name}")
    assert [f"new{name}"] == [row["task_id"] for row in left]


async def test_a_primary_that_hangs_costs_time_and_no_order(
    client: aiohttp.ClientSession, mysql_group: MysqlGroup
) -> None:
    product_id = await product(client, stock=1000)
    waiting = {"X-Request-Timeout": "15000"}

    async def place(number: int) -> tuple[int, Any]:
        body = {"user_id": f"h{number % 5}", "product_id": product_id, "quantity": 1}
        async with client.post("/api/v1/orders", json=body, headers=waiting) as answer:
            return answer.status, await answer.json()

    before = [await place(number) for number in range(5)]
    mysql_group.primary.container.pause()
    try:
        stuck = [asyncio.create_task(place(number)) for number in range(20)]
        await asyncio.sleep(3)
    finally:
        mysql_group.primary.container.unpause()
    answers = before + await asyncio.gather(*stuck)
    after = await place(0)

    assert [status for status, _ in before] == [201] * 5
    assert {status for status, _ in answers} <= {201, 503, 504}
    assert after[0] == 201
    acknowledged = {parse_order_id(document["order_id"]) for status, document in [*answers, after] if status == 201}
    found = {
        row["order_id"]
        for row in rows(mysql_group, "SELECT order_id FROM hcs.orders WHERE product_id = %s", product_id)
    }
    assert acknowledged <= found
    left = rows(mysql_group, "SELECT stock FROM hcs.products WHERE product_id = %s", product_id)[0]["stock"]
    assert 1000 - len(found) == left
