"""The worker over real engines: in this process with played outside parts, or as a process beside the samples."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tests.engine.worker.hcs_tasks import HcsTasks

from hcs_services.database.members import PrimaryPool
from hcs_services.database.versions import clock_version
from hcs_services.identifiers import new_order_id, slot_of
from hcs_services.settings import Settings
from hcs_services.worker import ledger


@pytest.fixture(autouse=True)
def nobody_goes_beside_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests count transactions: on a full machine a first connection takes longer than tasks wait for a group."""
    monkeypatch.setattr(ledger, "_WAIT", 60.0)


@pytest.fixture
def settings(tier_environment: Callable[[str], dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in tier_environment("worker").items():
        monkeypatch.setenv(name, value)
    return Settings(tier="worker")


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[PrimaryPool]:
    pool = PrimaryPool.of(settings, "hcs_app")
    yield pool
    await pool.close()


MakeOrder = Callable[..., Awaitable[int]]


@pytest.fixture
def make_order(pool: PrimaryPool) -> MakeOrder:
    """Writes an order's row, as the write API would; returns its id."""

    async def make(
        *, user: str = "ada", status: str = "PENDING", amount: str = "19.90", at: datetime | None = None
    ) -> int:
        now = at or datetime.now(UTC)
        order_id = new_order_id(user, datetime.now(UTC))
        async with pool.connection() as connection:
            await connection.execute(
                "INSERT INTO orders VALUES (%s, %s, 'book', 1, %s, %s, %s, %s, %s, %s)",
                (
                    order_id,
                    user,
                    Decimal(amount),
                    status,
                    *[now.replace(tzinfo=None)] * 2,
                    slot_of(user),
                    clock_version(now),
                ),
            )
        return order_id

    return make


Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def rows(pool: PrimaryPool) -> Rows:
    async def ask(sql: str, *arguments: object) -> list[dict[str, Any]]:
        async with pool.connection() as connection:
            return await connection.fetch_all(sql, arguments)

    return ask


@pytest.fixture
def task_id() -> Callable[[], str]:
    """New ids that no other test uses."""
    return lambda: secrets.token_hex(20).upper()


@pytest.fixture
def hcs_tasks(tier_environment: Callable[[str], dict[str, str]]) -> HcsTasks:
    return HcsTasks(tier_environment("worker"))
