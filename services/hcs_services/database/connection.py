"""The one place that opens a MySQL connection: TLS by the stack's CA, strict session, every statement bounded.

Addresses are IPs of a headless Service, certificates name that Service, so TLS is told the name to expect: a context
that always asks for the Service's name, whatever address the driver hands it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncmy
from asyncmy.cursors import DictCursor

from hcs_services.database.errors import ConnectionClosed, StatementTimeout, connection_is_lost
from hcs_services.request_context import remaining
from hcs_services.settings import Settings

CONNECT_SECONDS = 1.0
COMMIT_SECONDS = 5.0
# READ COMMITTED: Group Replication advises against gap locks; every decision is made on rows locked by FOR UPDATE
_SESSION = (
    "SET SESSION time_zone='+00:00', transaction_isolation='READ-COMMITTED', innodb_lock_wait_timeout=3,"
    " sql_mode='ONLY_FULL_GROUP_BY,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO'"
)


@dataclass(frozen=True, slots=True)
class Account:
    """How to log in; the password is read when a connection is made, so that a rotation needs no restart."""

    user: str
    password: Callable[[], str]
    database: str
    port: int
    server_name: str
    tls: Callable[[], ssl.SSLContext | None]
    statement_seconds: float


def account(settings: Settings, user: str, *, host: str, database: str | None = None) -> Account:
    """The account `user` (`hcs_app`, `hcs_read`, `hcs_migrate`) at the members or readers of `host`."""
    credential = f"database/{user.removeprefix('hcs_')}-password"
    return Account(
        user=user,
        password=lambda: settings.credential(credential),
        database=settings.database_name if database is None else database,
        port=settings.database_port,
        server_name=host,
        tls=lambda: tls_context(settings, host),
        statement_seconds=settings.statement_timeout,
    )


def tls_context(settings: Settings, server_name: str) -> ssl.SSLContext | None:
    """Verify against the mounted CA, read anew (it is renewed in place); None only where TLS was switched off."""
    if settings.database_tls == "off":
        return None
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.expected_name = server_name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=settings.credential("database/ca.crt"))
    return context


class _NamedContext(ssl.SSLContext):
    """Verifies the certificate against one fixed name instead of the address that was dialled."""

    expected_name: str

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        kwargs["server_hostname"] = self.expected_name
        return super().wrap_bio(*args, **kwargs)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        kwargs["server_hostname"] = self.expected_name
        return super().wrap_socket(*args, **kwargs)


async def open_connection(account: Account, address: str, *, connect_seconds: float = CONNECT_SECONDS) -> Connection:
    """Connect and log in within `connect_seconds`; raises an asyncmy error, OSError or TimeoutError."""
    async with asyncio.timeout(connect_seconds):
        raw = await asyncmy.connect(
            host=address,
            port=account.port,
            user=account.user,
            password=account.password(),
            database=account.database or None,
            charset="utf8mb4",
            autocommit=True,
            ssl=account.tls(),
            connect_timeout=connect_seconds,
            init_command=_SESSION,
        )
    return Connection(raw, address, account.statement_seconds)


class Connection:
    """One session, autocommit unless `begin` was called. A statement that fails to answer closes it."""

    def __init__(self, raw: Any, address: str, statement_seconds: float) -> None:
        self._raw = raw
        self.address = address
        self._seconds = statement_seconds
        self.broken = False
        self.committed_gtid = ""
        self._waiting: asyncio.Timeout | None = None

    async def execute(self, sql: str, arguments: Sequence[Any] = ()) -> int:
        """Run a statement; returns the rows it changed."""
        cursor = await self._run(sql, arguments)
        return int(cursor.rowcount)

    async def fetch_one(self, sql: str, arguments: Sequence[Any] = ()) -> dict[str, Any] | None:
        """The first row, or None."""
        cursor = await self._run(sql, arguments)
        row: dict[str, Any] | None = await cursor.fetchone()
        return row

    async def fetch_all(self, sql: str, arguments: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """All rows, buffered: the caller's LIMIT bounds them."""
        cursor = await self._run(sql, arguments)
        return list(await cursor.fetchall())

    async def begin(self) -> None:
        """Open a transaction."""
        await self._bounded(self._raw.begin)

    async def commit(self, *, track_gtid: bool = False) -> None:
        """Commit. An error here may mean that it happened: see `errors.commit_is_unknown`.

        Bounded by a time of its own, not by the request's deadline: a commit is never given up half-way. With
        `track_gtid` the executed set is read on the same server, before anything else can be asked for it.
        """
        await self._within(COMMIT_SECONDS, self._raw.commit)
        if track_gtid:
            cursor = self._raw.cursor(DictCursor)
            await self._within(COMMIT_SECONDS, lambda: cursor.execute("SELECT @@GLOBAL.gtid_executed AS gtid"))
            row = await cursor.fetchone()
            self.committed_gtid = "".join(str(row["gtid"]).split())

    async def rollback(self) -> None:
        """Roll back; on a connection that is gone the server has done so."""
        if not self.broken:
            await self._bounded(self._raw.rollback)

    def close(self) -> None:
        """Close at once, without a farewell: the server rolls back and frees the locks.

        A statement that waits for its answer ends with ConnectionClosed. The driver would let it wait on: over TLS,
        closing asks the server for a farewell, which one that hangs in a COMMIT does not give.
        """
        self.broken = True
        self._raw.close()
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def _run(self, sql: str, arguments: Sequence[Any]) -> Any:
        cursor = self._raw.cursor(DictCursor)
        await self._bounded(lambda: cursor.execute(sql, tuple(arguments) if arguments else None))
        return cursor

    async def _bounded(self, call: Callable[[], Any]) -> None:
        await self._within(remaining(self._seconds), call)

    async def _within(self, seconds: float, call: Callable[[], Any]) -> None:
        try:
            async with asyncio.timeout(seconds) as waiting:
                self._waiting = waiting
                try:
                    await call()
                finally:
                    self._waiting = None
        except TimeoutError:
            if self.broken:
                raise ConnectionClosed from None
            self.close()
            raise StatementTimeout(seconds) from None
        except asyncio.CancelledError:
            self.close()  # cancelled in the middle of an answer: the stream is out of step
            raise
        except Exception as error:
            if connection_is_lost(error):
                self.close()
            raise
