"""How long rows are kept: inbox and idempotency keys 24 h past their use, tasks and their reports 7 days, the
audit of dead letters 90 days.

A report is reached through its task only, so it goes with it. Payments, notifications and orders are records and stay.
"""

from __future__ import annotations

from prometheus_client import Counter

from hcs_services.database.connection import Connection
from hcs_services.settings import Settings

BATCH = 500  # rows a statement: small transactions, far from group_replication_transaction_size_limit
PAUSE_SECONDS = 60.0
_FULL_PAUSE_SECONDS = 0.02  # so that a sweep keeps up with more writes than an API takes

SWEPT = Counter("hcs_retention_swept_total", "Rows deleted because they had had their time, by table.", ["table"])


def rules(settings: Settings) -> list[tuple[str, str, int]]:
    """(table, time column, hours kept)."""
    days = settings.tasks_kept_days * 24
    return [
        ("inbox", "done_at", settings.keys_kept_hours),
        ("idempotency_keys", "used_at", settings.keys_kept_hours),
        ("tasks", "updated_at", days),
        ("reports", "created_at", days),
        ("dead_letter_audit", "done_at", settings.audit_kept_days * 24),
    ]


async def sweep(connection: Connection, settings: Settings) -> float:
    """One small batch of each table; returns the seconds until the next sweep, few while batches come back full."""
    pause = PAUSE_SECONDS
    for table, column, hours in rules(settings):
        deleted = await connection.execute(
            f"DELETE FROM {table} WHERE {column} < UTC_TIMESTAMP(6) - INTERVAL %s HOUR LIMIT %s",  # noqa: S608 - ours
            (hours, BATCH),
        )
        SWEPT.labels(table).inc(deleted)
        if deleted == BATCH:
            pause = _FULL_PAUSE_SECONDS
    return pause
