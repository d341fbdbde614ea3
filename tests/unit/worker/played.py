"""A runner between a database, a broker and a cache that are played by the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import BaseModel
from tests.unit.worker.played_tables import PlayedDatabase

from hcs_services.database.errors import DatabaseUnavailable
from hcs_services.queue import Delivery, NotAccepted, TaskMessage
from hcs_services.queue.message import ATTEMPT_HEADER
from hcs_services.worker.ports import PaymentProvider, Ports
from hcs_services.worker.registry import TRIES, Registry
from hcs_services.worker.runner import Runner
from hcs_services.worker.task import Done, Effect, Task

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Nothing(BaseModel):
    """A payload without members."""


class PlayedConnection:
    """Remembers statements; has the task's row, if there is one, and no claim on a payment but a `claimed` one."""

    committed_gtid = ""

    def __init__(
        self, statements: list[tuple[str, Sequence[Any]]], task_row: dict[str, Any] | None, *, claimed: bool
    ) -> None:
        self._statements = statements
        self._task_row = task_row
        self._claimed = claimed

    async def execute(self, sql: str, arguments: Sequence[Any] = ()) -> int:
        self._statements.append((sql, arguments))
        nothing_changes = (self._task_row and sql.startswith("INSERT INTO tasks")) or (
            not self._claimed and sql.startswith("DELETE FROM payments")
        )
        return 0 if nothing_changes else 1

    async def fetch_one(self, sql: str, _arguments: Sequence[Any] = ()) -> dict[str, Any] | None:
        return self._task_row if "FROM tasks" in sql else None

    async def fetch_all(self, sql: str, arguments: Sequence[Any] = ()) -> list[dict[str, Any]]:
        assert "FROM tasks" in sql
        return [] if self._task_row is None else [{"task_id": name, **self._task_row} for name in arguments]


class PlayedPool:
    """Commits everything, after `outages` refusals."""

    def __init__(self, outages: int = 0) -> None:
        self.outages = outages
        self.statements: list[tuple[str, Sequence[Any]]] = []
        self.task_row: dict[str, Any] | None = None
        self.claimed = False

    @contextlib.asynccontextmanager
    async def transaction(self, **_options: Any) -> AsyncIterator[PlayedConnection]:
        if self.outages:
            self.outages -= 1
            raise DatabaseUnavailable("no primary")
        yield PlayedConnection(self.statements, self.task_row, claimed=self.claimed)

    def statuses(self) -> list[str]:
        """Which a task's row was given: by itself, or among those of a group, each after its task's id."""
        updates = [(sql, arguments) for sql, arguments in self.statements if sql.startswith("UPDATE tasks")]
        return [arguments[1] if "CASE task_id" in sql else arguments[0] for sql, arguments in updates]


class World:
    """A runner with one handler, whose failures are queued in `fails`, or with real ones; outside parts as given.

    It has a `database` with tables, or a `pool` that commits everything.
    """

    def __init__(
        self,
        *,
        outages: int = 0,
        refusals: int = 0,
        seconds: float = 5,
        tries: int | None = TRIES,
        handlers: Registry | None = None,
        provider: PaymentProvider | None = None,
        database: PlayedDatabase | None = None,
    ) -> None:
        self.pool = PlayedPool(outages)
        self.refusals = refusals
        self.fails: list[Exception] = []
        self.effect_fails: Exception | None = None
        self.effect_fails_of = ""  # one task; of all where it is empty
        self.prepared = 0
        self.hangs = False
        self.log: list[str] = []
        self.published: list[tuple[str, str, dict[str, Any]]] = []
        registry = Registry()
        registry.handles("send_email", payload=Nothing, seconds=seconds, tries=tries)(self.prepare)
        ports = Ports(cast("Any", database or self.pool), cast("Any", None), None, provider, None)
        self.runner = Runner(handlers or registry, ports, self, self.publish, clock=lambda: NOW, late=lambda: False)

    async def prepare(self, task: Task, _payload: BaseModel, _ports: Ports) -> Effect:
        self.prepared += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise self.fails.pop(0)

        async def effect(_tx: Any, _now: datetime) -> Done:
            if self.effect_fails is not None and self.effect_fails_of in ("", task.id):
                raise self.effect_fails
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

    def delivery(
        self,
        payload: dict[str, Any] | None = None,
        headers: dict[str, Any] | None = None,
        *,
        attempt: int = 0,
        at: datetime = NOW,
        task_type: str = "send_email",
        redelivered: bool = False,
        task_id: str = "T1",
    ) -> Delivery:
        body = TaskMessage(task_id, task_type, payload or {}, at).encode()
        return PlayedDelivery(self.log, body, {ATTEMPT_HEADER: attempt, **(headers or {})}, redelivered=redelivered)


class PlayedDelivery(Delivery):
    def __init__(self, log: list[str], body: bytes, headers: dict[str, Any], *, redelivered: bool) -> None:
        super().__init__("hcs.default", body, headers, redelivered, 1, cast("Any", None), cast("Any", None))
        self._log = log

    def ack(self) -> bool:
        self._log.append("ack")
        return True

    def requeue(self) -> bool:
        self._log.append("requeue")
        return True
