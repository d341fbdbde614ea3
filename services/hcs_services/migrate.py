"""Bring the primary's schema up to date; the Job's program.

Each file is one idempotent statement, run outside any transaction (DDL commits itself) and recorded afterwards. A
failover in between makes the statement fail or run twice; both are harmless, so the whole is simply begun again until
the deadline. What counts as applied is the record *and* the table being there, asked of information_schema. MySQL has
no `ADD KEY IF NOT EXISTS`: "there is such a key" is how that statement says that it ran before.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Sequence

import structlog

from hcs_services import request_context
from hcs_services.database.connection import Connection, account, open_connection
from hcs_services.database.errors import DatabaseUnavailable, Meaning, meaning, number
from hcs_services.database.members import PrimaryPool
from hcs_services.database.resolver import resolve
from hcs_services.schema import Migration, migrations
from hcs_services.settings import Settings

_log = structlog.get_logger(__name__)
_LOOK_SECONDS = 5.0
_TABLE = re.compile(r"(?:CREATE TABLE IF NOT EXISTS|ALTER TABLE) (\w+)")
_KEY_IS_THERE = 1061
_RECORDS = (
    "CREATE TABLE IF NOT EXISTS schema_migrations"
    " (version INT UNSIGNED NOT NULL PRIMARY KEY, applied_at DATETIME(6) NOT NULL) ENGINE=InnoDB"
)


class MigrationFailed(Exception):
    """The schema is not up to date; the message is one line for the Job's log."""


def run(settings: Settings) -> int:
    """Migrate within the deadline; returns the Job's exit code."""
    try:
        applied = asyncio.run(migrate(settings, migrations()))
    except MigrationFailed as error:
        sys.stderr.write(f"hcs_services migrate: {error}\n")
        return 1
    _log.info("schema is up to date", applied=applied)
    return 0


async def migrate(settings: Settings, wanted: Sequence[Migration]) -> list[int]:
    """Apply what is missing on the primary, beginning again after each failover; returns the versions applied now."""
    until = time.monotonic() + settings.migrate_deadline_seconds
    login = account(settings, "hcs_migrate", host=settings.database_members_host, database="")
    pool = PrimaryPool(
        lambda: resolve(settings.database_members_host), lambda address: open_connection(login, address), size=1
    )
    applied: list[int] = []
    try:
        while True:
            request_context.set_deadline(min(until, time.monotonic() + _LOOK_SECONDS))
            try:
                async with pool.connection() as connection:
                    request_context.set_deadline(until)
                    await _apply(connection, settings.database_name, wanted, applied)
                    return applied
            except Exception as error:
                if not isinstance(error, DatabaseUnavailable) and meaning(error) is Meaning.OTHER:
                    raise MigrationFailed(f"{type(error).__name__}: {error}") from error
                if time.monotonic() >= until:
                    seconds = settings.migrate_deadline_seconds
                    raise MigrationFailed(
                        f"no primary stayed for the schema within {seconds:.0f} s: {error}"
                    ) from error
                _log.info("waiting for a primary", error=str(error)[:200])
    finally:
        await pool.close()


async def _apply(connection: Connection, database: str, wanted: Sequence[Migration], applied: list[int]) -> None:
    if not re.fullmatch(r"[a-z0-9_]{1,64}", database):
        raise ValueError("a database's name is 1 to 64 of [a-z0-9_]")
    await connection.execute(f"CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4")
    await connection.execute(f"USE {database}")
    await connection.execute(_RECORDS)
    recorded = {row["version"] for row in await connection.fetch_all("SELECT version FROM schema_migrations")}
    tables = {
        row["name"]
        for row in await connection.fetch_all(
            "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = %s", (database,)
        )
    }
    for migration in wanted:
        table = _TABLE.match(migration.statement)
        if migration.version in recorded and (table is None or table[1] in tables):
            continue
        _log.info("applying", version=migration.version, name=migration.name)
        await _run(connection, migration.statement)
        await connection.execute(
            "INSERT INTO schema_migrations (version, applied_at) VALUES (%s, UTC_TIMESTAMP(6))"
            " ON DUPLICATE KEY UPDATE version = version",
            (migration.version,),
        )
        applied.append(migration.version)


async def _run(connection: Connection, statement: str) -> None:
    try:
        await connection.execute(statement)
    except Exception as error:
        if number(error) != _KEY_IS_THERE:
            raise
