"""A connection that dies under a lone statement is an outage, not a fault of the task or of the worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from asyncmy.errors import OperationalError

from hcs_services import worker
from hcs_services.database.errors import DatabaseUnavailable, NoReader, StatementTimeout
from hcs_services.worker import Worker
from hcs_services.worker.order_reads import ReplicaOrderReads

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LOST = [OperationalError(2013, "Lost connection"), OperationalError(1053, "shutdown"), StatementTimeout(1)]


class Dying:
    """A pool whose connections fail at the statement that reads orders, with `error`."""

    def __init__(self, error: Exception | None, *, replica: bool = True) -> None:
        self._error = error
        self._replica = replica

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Dying]:
        yield self

    @contextlib.asynccontextmanager
    async def reader(self, _gtid: str | None = None) -> AsyncIterator[Dying]:
        if not self._replica:
            raise NoReader("none")
        yield self

    async def fetch_one(self, sql: str, _arguments: Sequence[Any] = ()) -> dict[str, Any]:
        if self._error is not None and "gtid_executed" not in sql:
            raise self._error
        return {"gtid": ""}

    async def fetch_all(self, _sql: str, _arguments: Sequence[Any] = ()) -> list[dict[str, Any]]:
        assert self._error is not None
        raise self._error

    async def execute(self, _sql: str, _arguments: Sequence[Any] = ()) -> int:
        return 0

    async def rollback(self) -> None:
        return None


def reads(error: Exception, *, replica: bool) -> ReplicaOrderReads:
    played = cast("Any", Dying(error, replica=replica))
    return ReplicaOrderReads(played, played)


@pytest.mark.parametrize("replica", [True, False])
@pytest.mark.parametrize("error", LOST)
async def test_a_server_that_goes_away_during_a_large_read_costs_no_try(error: Exception, *, replica: bool) -> None:
    with pytest.raises(DatabaseUnavailable):
        await anext(reads(error, replica=replica).changed_since(NOW))


async def test_a_statement_that_is_wrong_is_no_outage() -> None:
    with pytest.raises(OperationalError, match="1064"):
        await anext(reads(OperationalError(1064, "syntax"), replica=True).of_user("ada", NOW, NOW))


@pytest.mark.parametrize("error", LOST)
async def test_the_selftest_says_that_the_primary_went_away(error: Exception) -> None:
    connected = SimpleNamespace(connected=True)
    played = SimpleNamespace(
        _intake=SimpleNamespace(in_flight=0), _consumer=connected, _publisher=connected, _primary=Dying(error)
    )
    result = await Worker.selftest(cast("Any", played))
    assert (result.ok, result.reason) == (False, "DatabaseUnavailable")


async def test_the_selftest_waits_for_no_primary_beyond_its_own_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        @contextlib.asynccontextmanager
        async def connection(self) -> AsyncIterator[None]:
            await asyncio.Event().wait()
            yield

    monkeypatch.setattr(worker, "_PRIMARY_SECONDS", 0.01)
    connected = SimpleNamespace(connected=True)
    played = SimpleNamespace(
        _intake=SimpleNamespace(in_flight=0), _consumer=connected, _publisher=connected, _primary=Absent()
    )
    result = await Worker.selftest(cast("Any", played))
    assert (result.reason, result.message) == ("DatabaseUnavailable", "No primary answers: none within 0.01 s.")
