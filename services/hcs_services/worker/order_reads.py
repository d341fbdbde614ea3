"""Reads of many orders: from a replica that has everything committed until now, else from the primary.

"Now" is the primary's executed GTID set at the start of the read. It contains the accept's and every write that was
acknowledged before it, so a client that was told 201 before it asked for a report finds its order in it.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, Final

from hcs_services.database.connection import Connection
from hcs_services.database.errors import NoReader
from hcs_services.database.members import PrimaryPool
from hcs_services.database.readers import ReaderPool
from hcs_services.worker.task_rows import naive

PAGE: Final = 2000


class ReplicaOrderReads:
    """`OrderReads` over the stack's pools."""

    def __init__(self, primary: PrimaryPool, readers: ReaderPool) -> None:
        self._primary = primary
        self._readers = readers

    async def of_user(self, user_id: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Rows of the user's orders created in `[start, end)`, oldest first."""
        rows: list[dict[str, Any]] = []
        after, page = (naive(start), 0), PAGE
        async with self._recent() as connection:
            while page == PAGE:
                found = await connection.fetch_all(
                    "SELECT * FROM orders WHERE user_id = %s AND created_at >= %s AND created_at < %s"
                    " AND (created_at, order_id) > (%s, %s) ORDER BY created_at, order_id LIMIT %s",
                    (user_id, after[0], naive(end), *after, PAGE),
                )
                rows += found
                page = len(found)
                if found:
                    after = (found[-1]["created_at"], found[-1]["order_id"])
        return rows

    async def changed_since(self, since: datetime) -> list[dict[str, Any]]:
        """Rows of orders changed since then, oldest change first; of an order that changes meanwhile the last state."""
        rows: dict[int, dict[str, Any]] = {}
        after, page = (naive(since), 0), PAGE
        async with self._recent() as connection:
            while page == PAGE:
                found = await connection.fetch_all(
                    "SELECT * FROM orders WHERE updated_at >= %s AND (updated_at, order_id) > (%s, %s)"
                    " ORDER BY updated_at, order_id LIMIT %s",
                    (after[0], *after, PAGE),
                )
                for row in found:
                    rows.pop(row["order_id"], None)
                    rows[row["order_id"]] = row
                page = len(found)
                if found:
                    after = (found[-1]["updated_at"], found[-1]["order_id"])
        return list(rows.values())

    @asynccontextmanager
    async def _recent(self) -> AsyncIterator[Connection]:
        async with self._primary.connection() as primary:
            row = await primary.fetch_one("SELECT @@GLOBAL.gtid_executed AS gtid")
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(self._readers.reader(row["gtid"] if row else None))
            except NoReader:
                connection = await stack.enter_async_context(self._primary.connection())
            yield connection
