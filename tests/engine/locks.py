"""Who waits for whose rows."""

from __future__ import annotations

import asyncio
import time

from tests.engine.mysql_servers import MysqlGroup

_WAITING = (
    "SELECT processlist.id FROM performance_schema.data_lock_waits JOIN performance_schema.threads"
    " ON threads.thread_id = requesting_thread_id JOIN performance_schema.processlist"
    " ON processlist.id = threads.processlist_id WHERE processlist.user = 'hcs_app'"
)


async def waits_for_a_lock(group: MysqlGroup, seconds: float = 60) -> list[int]:
    """The sessions of `hcs_app` that wait for a row, once there are any."""
    until = time.monotonic() + seconds
    while not (found := [row["id"] for row in group.primary.ask(_WAITING)]):
        assert time.monotonic() < until, "nobody waits for a row"
        await asyncio.sleep(0.1)
    return found
