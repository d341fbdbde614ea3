"""The runner through outages, bugs and stops, with every engine played."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from pydantic import BaseModel

from hcs_services.database.errors import DatabaseUnavailable
from hcs_services.queue import Delivery, NotAccepted, TaskMessage
from hcs_services.queue.backoff import Backoff
from hcs_services.queue.message import ATTEMPT_HEADER, DETAIL_HEADER, REASON_HEADER, SOURCE_HEADER
from hcs_services.worker.ports import Ports
from hcs_services.worker.registry import TRIES, Registry
from hcs_services.worker.runner import Runner
from hcs_services.worker.task import Done, Effect, Permanent, Task, Transient

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Nothing(BaseModel):
    """A payload without members."""


class PlayedConnection:
    """Remembers statements; has no rows."""

    committed_gtid = ""

    def __init__(self, statements: list[tuple[str, Sequence[Any]]]) -> None:
        self._statements = statements

    async def execute(self, sql: str, arguments: Sequence[Any] = ()) -> int:
        self._statements.append((sql, arguments))
        return 1

    async def fetch_one(self, _sql: str, _arguments: Sequence[Any] = ()) -> None:
        return None


class PlayedPool:
    """Commits everything, after `outages` refusals."""

    def __init__(self, outages: int = 0) -> None:
        self.outages = outages
        self.statements: list[tuple[str, Sequence[Any]]] = []

    @contextlib.asynccontextmanager
    async def transaction(self, **_options: Any) -> AsyncIterator[PlayedConnection]:
        if self.outages:
            self.outages -= 1
            raise DatabaseUnavailable("no primary")
        yield PlayedConnection(self.statements)

    def statuses(self) -> list[str]:
        return [arguments[0] for sql, arguments in self.statements if sql.startswith("UPDATE tasks")]


class World:
    """A runner with one handler, whose failures are queued in `fails`."""

    def __init__(self, *, outages: int = 0, refusals: int = 0, seconds: float = 5, tries: int | None = TRIES) -> None:
        self.pool = PlayedPool(outages)
        self.refusals = refusals
        self.fails: list[Exception] = []
        self.prepared = 0
        self.hangs = False
        self.log: list[str] = []
        self.published: list[tuple[str, str, dict[str, Any]]] = []
        registry = Registry()
        registry.handles("send_email", payload=Nothing, seconds=seconds, tries=tries)(self.prepare)
        ports = Ports(cast("Any", self.pool), *[cast("Any", None)] * 4)
        self.runner = Runner(registry, ports, self, self.publish, clock=lambda: NOW, late=lambda: False)

    async def prepare(self, _task: Task, _payload: BaseModel, _ports: Ports) -> Effect:
        self.prepared += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise self.fails.pop(0)

        async def effect(_tx: Any, _now: datetime) -> Done:
            return Done(result={"done": True})

        return effect

    async def put_many(self, _changes: Any) -> bool:
        self.log.append("cache")
        return False  # Redis is away: nobody's business here

    async def publish(
        self,
        queue: str,
        body: bytes,
        headers: dict[str, Any],
        timeout: float,  # noqa: ASYNC109 - the publisher's own
        *,
        exchange: str = "",
    ) -> None:
        assert body
        assert timeout > 0
        if self.refusals:
            self.refusals -= 1
            raise NotAccepted("no broker")
        self.log.append("publish")
        self.published.append((exchange, queue, headers))

    def delivery(self, *, attempt: int = 0, at: datetime = NOW, task_type: str = "send_email") -> Delivery:
        body = TaskMessage("T1", task_type, {}, at).encode()
        return PlayedDelivery(self.log, body, {ATTEMPT_HEADER: attempt})


class PlayedDelivery(Delivery):
    def __init__(self, log: list[str], body: bytes, headers: dict[str, Any]) -> None:
        super().__init__("hcs.default", body, headers, False, 1, cast("Any", None), cast("Any", None))
        self._log = log

    def ack(self) -> bool:
        self._log.append("ack")
        return True

    def requeue(self) -> bool:
        self._log.append("requeue")
        return True


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts are a millisecond."""
    monkeypatch.setattr(Backoff, "next", lambda _self: 0.001)


async def test_a_task_is_acknowledged_last() -> None:
    world = World()
    await world.runner.run(world.delivery())
    assert world.log == ["cache", "ack"]
    assert world.pool.statuses() == ["succeeded"]


async def test_an_outage_of_the_database_costs_no_try() -> None:
    world = World(outages=7)
    await world.runner.run(world.delivery())
    assert world.log == ["cache", "ack"]
    assert world.prepared == 1


async def test_a_database_that_goes_away_within_the_handler_costs_no_try() -> None:
    world = World()
    world.fails = [DatabaseUnavailable("gone")] * 3
    await world.runner.run(world.delivery())
    assert world.log == ["cache", "ack"]
    assert world.prepared == 4


async def test_a_process_that_stops_during_an_outage_gives_the_task_back() -> None:
    world = World(outages=10**9)
    running = asyncio.create_task(world.runner.run(world.delivery()))
    await asyncio.sleep(0.02)
    world.runner.stopping.set()
    async with asyncio.timeout(5):
        await running
    assert world.log == ["requeue"]


async def test_a_transient_failure_waits_with_its_try_counted_and_is_acknowledged_after_the_confirm() -> None:
    world = World(refusals=3)
    world.fails = [Transient("mail-deferred", "451")]
    await world.runner.run(world.delivery(attempt=1))
    assert world.log == ["publish", "ack"]
    ((exchange, queue, headers),) = world.published
    assert (exchange, queue, headers[ATTEMPT_HEADER]) == ("hcs.wait.4500", "hcs.default", 2)
    assert world.pool.statuses() == ["retrying"]


async def test_the_last_failure_is_a_dead_letter_with_its_reason_and_source() -> None:
    world = World()
    world.fails = [Transient("mail-deferred", "451")]
    await world.runner.run(world.delivery(attempt=3))
    assert world.log == ["publish", "ack"]
    ((exchange, queue, headers),) = world.published
    assert (exchange, queue) == ("", "hcs.dead")
    assert (headers[REASON_HEADER], headers[SOURCE_HEADER], headers[ATTEMPT_HEADER]) == (
        "retries-spent",
        "hcs.default",
        4,
    )
    assert world.pool.statuses() == ["dead"]


async def test_a_handler_without_a_bound_goes_on_at_the_longest_wait() -> None:
    world = World(tries=None)
    world.fails = [Transient("provider", "503")]
    await world.runner.run(world.delivery(attempt=1999))
    ((exchange, _, headers),) = world.published
    assert (exchange, headers[ATTEMPT_HEADER]) == ("hcs.wait.27000", 2000)


async def test_a_permanent_failure_is_dead_at_the_first_try() -> None:
    world = World()
    world.fails = [Permanent("declined", "no")]
    await world.runner.run(world.delivery())
    assert world.published[0][2][REASON_HEADER] == "declined"


async def test_a_bug_in_a_handler_is_tried_again_and_told_without_its_words() -> None:
    world = World()
    world.fails = [KeyError("something secret")]
    await world.runner.run(world.delivery(attempt=3))
    ((_, _, headers),) = world.published
    assert "handler-error: KeyError" in headers[DETAIL_HEADER]
    assert "secret" not in str(headers)


async def test_a_handler_that_takes_too_long_is_cut_short_and_tried_again() -> None:
    world = World(seconds=0.01)
    world.hangs = True
    await world.runner.run(world.delivery())
    assert world.published[0][0] == "hcs.wait.900"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"task_type": "paint_house"}, "unknown-type"), ({"at": NOW - timedelta(days=8)}, "expired")],
)
async def test_what_cannot_be_done_never_reaches_a_handler(changes: dict[str, Any], reason: str) -> None:
    world = World()
    await world.runner.run(world.delivery(**changes))
    assert world.prepared == 0
    assert world.published[0][2][REASON_HEADER] == reason
    assert world.log == ["publish", "ack"]
