"""The async API's rows: idempotency keys on the primary; tasks and reports from a replica, else the primary."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from hcs_services import idempotency
from hcs_services.database.connection import Connection
from hcs_services.database.errors import DatabaseUnavailable, NoReader
from hcs_services.database.members import PrimaryPool
from hcs_services.database.outage import told_as_outage
from hcs_services.database.readers import ReaderPool
from hcs_services.database.settle import run_keyed
from hcs_services.idempotency import Key, Stored


class KeyRows:
    """`Keys` over the primary."""

    def __init__(self, primary: PrimaryPool) -> None:
        self._primary = primary

    async def claim(self, key: Key, task_id: str, now: datetime) -> Stored | None:
        """Commit the key with this task id; what was stored under it before, if anything. Raises DatabaseFailure."""

        async def work(tx: Connection, settling: bool) -> Stored | None:  # noqa: FBT001 - run_keyed's form
            return await idempotency.claim(tx, key, now=now, task_id=task_id, settling=settling)

        return (await run_keyed(self._primary, work)).value

    async def mark_accepted(self, key: Key, now: datetime) -> None:
        """Note that the broker has confirmed. Raises DatabaseFailure."""
        async with self._primary.transaction() as tx:
            await idempotency.mark_accepted(tx, key, now=now)


_FINAL = frozenset({"succeeded", "dead"})


class TaskRows:
    """Tasks as workers have left them."""

    def __init__(self, primary: PrimaryPool, readers: ReaderPool) -> None:
        self._primary = primary
        self._readers = readers

    async def task(self, task_id: str) -> dict[str, Any] | None:
        """The row of `tasks` with `result` parsed, None where there is none. Raises DatabaseFailure."""
        sql = "SELECT * FROM tasks WHERE task_id = %s"
        row = await self._at_a_replica(sql, task_id)
        if row is None or row["status"] not in _FINAL:  # another replica may have told more already
            row = await self._at_the_primary(sql, task_id)
        if row is not None and row["result"] is not None:
            row["result"] = json.loads(row["result"])
        return row

    async def report(self, task_id: str) -> str | None:
        """The CSV of a report that was stored in the database. Raises DatabaseFailure."""
        sql = "SELECT content FROM reports WHERE task_id = %s"
        row = await self._at_a_replica(sql, task_id) or await self._at_the_primary(sql, task_id)
        return None if row is None else str(row["content"])

    async def _at_a_replica(self, sql: str, task_id: str) -> dict[str, Any] | None:
        """A row from a replica; None where none has it (yet), or none answers."""
        try:
            with told_as_outage():
                async with self._readers.reader() as connection:
                    return await connection.fetch_one(sql, (task_id,))
        except (NoReader, DatabaseUnavailable):
            return None

    async def _at_the_primary(self, sql: str, task_id: str) -> dict[str, Any] | None:
        with told_as_outage():
            async with self._primary.connection() as connection:
                return await connection.fetch_one(sql, (task_id,))
