"""What a database server itself says of the statements that are at it at once, and a stall in which they pile up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from tests.engine.containers import until
from tests.engine.mysql_servers import Mysqld

_AT_IT = (
    "SELECT COUNT(*) AS count FROM performance_schema.processlist"
    " WHERE user = 'hcs_read' AND command <> 'Sleep' AND info LIKE %s"
)
_IN_STATE = "SELECT 1 FROM performance_schema.processlist WHERE user = 'root' AND state = %s"


@dataclass
class Most:
    """The most statements that were seen at once, and how often the server was asked."""

    statements: int = 0
    looks: int = 0


@contextmanager
def counted(server: Mysqld, table: str) -> Iterator[Most]:
    """Counts the read API's statements on a table, as often as the server answers, over a connection of its own.

    Those by which the read API judges its servers are on no table of rows, and are no load that grows with its users.
    """
    most, over = Most(), threading.Event()

    def look() -> None:
        with server.root() as cursor:
            while not over.is_set():
                cursor.execute(_AT_IT, (f"%{table}%",))
                for row in cursor.fetchall():
                    most.statements = max(most.statements, row["count"])
                most.looks += 1

    with ThreadPoolExecutor(max_workers=1) as thread:
        looking = thread.submit(look)
        try:
            yield most
        finally:
            over.set()
        looking.result()


@asynccontextmanager
async def stalled(server: Mysqld, table: str, seconds: float) -> AsyncIterator[None]:
    """From the block's begin on, for so many seconds, whatever is asked of the table waits at the server: somebody reads it
    slowly, and somebody else flushes it meanwhile.
    """

    async def reaches(state: str) -> None:
        await asyncio.to_thread(until, state, lambda: server.ask(_IN_STATE, state), 10, every=0.005)

    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(server.run, f"SELECT SLEEP({seconds}) FROM {table} LIMIT 1"))
        await reaches("User sleep")
        group.create_task(asyncio.to_thread(server.run, f"FLUSH LOCAL TABLES {table}"))
        await reaches("Waiting for table flush")
        yield
