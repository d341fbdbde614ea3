"""Reads of many orders: from a replica that has everything committed until now, else from the primary.

"Now" is the primary's executed GTID set at the start of the read. It contains the accept's and every write that was
acknowledged before it, so a client that was told 201 before it asked for a report finds its order in it. All pages come
from one snapshot: an order that changes meanwhile is in them once.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, Final

from hcs_services.database.connection import Connection
from hcs_services.database.errors import NoReader
from hcs_services.database.members import PrimaryPool
from hcs_services.database.outage import told_as_outage
from hcs_services.database.readers import ReaderPool
from hcs_services.worker.ports import Page
from hcs_services.worker.task_rows import naive

PAGE: Final = 2000  # rows


class ReplicaOrderReads:
    """`OrderReads` over the stack's pools."""

    def __init__(self, primary: PrimaryPool, readers: ReaderPool) -> None:
        self._primary = primary
        self._readers = readers

    def of_user(self, user_id: str, start: datetime, end: datetime) -> AsyncGenerator[Page]:
        """Pages of the user's orders created in `[start, end)`, oldest first."""
        where = "user_id = %s AND created_at < %s"
        return self._pages("created_at", start, where, (user_id, naive(end)))

    def changed_since(self, since: datetime) -> AsyncGenerator[Page]:
        """Pages of the orders changed since then, oldest change first."""
        return self._pages("updated_at", since, "TRUE", ())

    async def _pages(
        self, moment: str, start: datetime, where: str, arguments: tuple[Any, ...]
    ) -> AsyncGenerator[Page]:
        """Rows from `start` on by the column `moment`, from one page's last row to the next."""
        sql = (
            f"SELECT * FROM orders WHERE {where} AND {moment} >= %s AND ({moment}, order_id) > (%s, %s)"  # noqa: S608 - ours
            f" ORDER BY {moment}, order_id LIMIT %s"
        )
        after = (naive(start), 0)
        async with self._snapshot() as connection:
            while True:
                rows = await connection.fetch_all(sql, (*arguments, after[0], *after, PAGE))
                if rows:
                    yield rows
                if len(rows) < PAGE:
                    return
                after = (rows[-1][moment], rows[-1]["order_id"])

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Connection]:
        with told_as_outage():
            async with self._recent() as connection:
                await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                await connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
                try:
                    yield connection
                finally:
                    await connection.rollback()

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
