"""The primary, found by asking the group, and a bounded pool of connections to it.

A member is the primary if its *own* view says: I am ONLINE, I am PRIMARY, a majority takes part. Whoever asks gets a
connection to it within the request's deadline or `DatabaseUnavailable`. Connections to a member that is no longer the
primary are closed at once, those in use too: a demoted primary answers with stale rows and commits nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count

import structlog
from prometheus_client import Counter, Gauge

from hcs_services import request_context
from hcs_services.database import errors
from hcs_services.database.connection import Connection, account, open_connection
from hcs_services.database.outage import is_the_callers
from hcs_services.database.primary_finder import PROBE_SECONDS, PrimaryFinder
from hcs_services.database.resolver import resolve
from hcs_services.settings import Settings

WATCH_SECONDS = 1.0
_PAUSE = (0.05, 0.2)  # between looks while nobody is primary
_WAIT_OUTSIDE_REQUESTS = 10.0

CHANGES = Counter("hcs_database_primary_changes_total", "How often this process has found another primary.")
WAITING = Gauge("hcs_database_pool_waiting", "Requests and tasks that wait for a connection to the primary now.")
SIZE = Gauge("hcs_database_pool_size", "Connections to the primary that this process may hold: DATABASE_POOL_SIZE.")
IN_USE = Gauge("hcs_database_pool_in_use", "Connections to the primary that are in use now.")

_log = structlog.get_logger(__name__)


class PrimaryPool:
    """At most `size` connections to the current primary."""

    def __init__(
        self,
        addresses: Callable[[], Awaitable[list[str]]],
        connect: Callable[[str], Awaitable[Connection]],
        *,
        size: int,
    ) -> None:
        self._connect = connect
        self._finder = PrimaryFinder(addresses, connect, self._keep)
        self._size = size
        SIZE.set(size)
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._used: set[Connection] = set()
        self._looking: asyncio.Task[str | None] | None = None
        self._commits: set[asyncio.Task[None]] = set()
        self._detached: set[Connection] = set()  # owned by a commit whose caller was cancelled
        self._closed = False
        self._found = asyncio.Event()  # of the next primary: set once, then another takes its place
        self.primary: str | None = None

    @classmethod
    def of(cls, settings: Settings, user: str) -> PrimaryPool:
        """The pool of `user` (`hcs_app`, `hcs_read`, `hcs_migrate`) at the members that the settings name."""
        login = account(settings, user, host=settings.database_members_host)
        return cls(
            lambda: resolve(settings.database_members_host),
            lambda address: open_connection(login, address),
            size=settings.database_pool_size,
        )

    async def refresh(self, suspect: str | None = None) -> str | None:
        """Ask all members at once who the primary is; concurrent callers share one look."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(suspect))
        return await asyncio.shield(self._looking)

    async def watch(self) -> None:
        """Look on for ever, so that a change is noticed before a request pays for it. Run in the Background."""
        while True:
            await asyncio.sleep(WATCH_SECONDS * random.uniform(0.75, 1.25))  # noqa: S311 - spreads load only
            idle = self._take_idle()
            view = await self._finder.view(idle) if idle is not None else None
            if view is None or not view.writable:
                await self.refresh()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit mode; raises DatabaseUnavailable, DeadlinePassed to a caller who has no time."""
        if request_context.remaining(1.0) <= 0:
            raise errors.DeadlinePassed("no time is left to ask the primary")
        await self._take_slot()
        try:
            connection = await self._checkout()
            try:
                yield connection
            except BaseException as error:
                self._judge(connection, error)
                raise
            finally:
                self._checkin(connection)
        finally:
            self._slots.release()

    @asynccontextmanager
    async def transaction(self, *, track_gtid: bool = False) -> AsyncIterator[Connection]:
        """A transaction, committed at the end of the block unless it raises.

        Raises TransactionLost if it certainly did not commit, TransactionTooLarge if it never can, OutcomeUnknown if
        nobody knows, DatabaseUnavailable if it never began, DeadlinePassed if the caller's time ended before COMMIT.
        COMMIT goes on when the caller is cancelled; its connection stays out of the pool until then.
        `track_gtid` leaves the server's executed set, read after COMMIT, in the connection's `committed_gtid`.
        """
        async with self.connection() as connection:
            try:
                await connection.begin()
                yield connection
            except BaseException as error:
                self._judge(connection, error)
                await self._abandon(connection)
                if is_the_callers(error):
                    raise errors.DeadlinePassed(str(error)[:200]) from error
                if errors.says_too_large(error):
                    raise errors.TransactionTooLarge(str(error)[:200]) from error
                if errors.meaning(error) in {errors.Meaning.LOOK_AGAIN, errors.Meaning.REPEAT}:
                    raise errors.TransactionLost(str(error)[:200]) from error
                raise
            await self._commit(connection, track_gtid=track_gtid)

    async def close(self) -> None:
        """Wait for commits under way, then close every connection."""
        self._closed = True
        if self._commits:
            await asyncio.wait(self._commits, timeout=PROBE_SECONDS)
        self._drop_all()

    # -- the parts ------------------------------------------------------------------------------------------------

    async def _look(self, suspect: str | None) -> str | None:
        request_context.set_deadline(None)  # shared by all who wait: not bounded by the one request that began it
        self._adopt(await self._finder.find(self.primary, suspect))
        return self.primary

    def _adopt(self, found: str | None) -> None:
        if found == self.primary:
            return
        _log.info("primary changed", before=self.primary, now=found)
        CHANGES.inc()
        self.primary = found
        self._drop_all()
        if found is not None:
            self._found.set()
            self._found = asyncio.Event()

    def _drop_all(self) -> None:
        for connection in [*self._idle, *self._used]:
            if connection.address != self.primary or self._closed:
                connection.close()
        self._idle = [connection for connection in self._idle if not connection.broken]

    async def _take_slot(self) -> None:
        WAITING.inc()
        try:
            async with asyncio.timeout(request_context.remaining(_WAIT_OUTSIDE_REQUESTS)):
                await self._slots.acquire()
        except TimeoutError:
            raise errors.DatabaseUnavailable("all connections are in use") from None
        finally:
            WAITING.dec()

    async def _checkout(self) -> Connection:
        try:
            async with asyncio.timeout(request_context.remaining(_WAIT_OUTSIDE_REQUESTS)):
                connection = await self._connected()
        except TimeoutError:
            raise errors.DatabaseUnavailable("no primary could be reached") from None
        self._used.add(connection)
        IN_USE.set(len(self._used))
        return connection

    async def _connected(self) -> Connection:
        for attempt in count():
            if self._closed:
                raise errors.DatabaseUnavailable("the pool is closed")
            if self._looking is not None and not self._looking.done():
                await asyncio.shield(self._looking)  # the primary is in doubt
            connection = self._take_idle() or await self._open()
            if connection is not None:
                return connection
            # longer each time, up to fourfold: a storm of reconnects keeps members from joining (trap 10)
            await self._until_found(random.uniform(*_PAUSE) * min(4, 1 + attempt))  # noqa: S311
        raise AssertionError

    async def _until_found(self, seconds: float) -> None:
        """Wait so long, or until another's look has found the next primary."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._found.wait()

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.broken and connection.address == self.primary:
                return connection
            connection.close()
        return None

    async def _open(self) -> Connection | None:
        address = self.primary or await self.refresh()
        if address is None:
            return None
        try:
            connection = await self._connect(address)
        except Exception as error:  # noqa: BLE001 - refused, unreachable, too many connections: all mean look again
            _log.info("cannot connect to the primary", address=address, error=str(error)[:200])
            await self.refresh(suspect=address)
            return None
        if address != self.primary:
            connection.close()
            return None
        return connection

    def _checkin(self, connection: Connection) -> None:
        self._used.discard(connection)
        IN_USE.set(len(self._used))
        if connection not in self._detached:
            self._keep(connection)

    def _keep(self, connection: Connection) -> None:
        full = len(self._idle) + len(self._used) >= self._size
        if connection.broken or connection.address != self.primary or self._closed or full:
            connection.close()
        else:
            self._idle.append(connection)

    def _judge(self, connection: Connection, error: BaseException) -> None:
        """After an error: close what may be out of step and, if the error says so, look for the primary again."""
        if connection in self._detached:
            return
        if isinstance(error, asyncio.CancelledError):
            connection.close()
        elif errors.meaning(error) is errors.Meaning.LOOK_AGAIN:
            connection.close()
            lost = errors.connection_is_lost(error) and not isinstance(error, errors.StatementTimeout)
            if lost and connection.address == self.primary:
                self._close_idle()  # a server that restarts at its address has cut the others, too
            if not is_the_callers(error):
                self._look_soon(connection.address)

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _look_soon(self, suspect: str) -> None:
        if suspect == self.primary and not self._closed and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look(suspect))

    async def _abandon(self, connection: Connection) -> None:
        try:
            await connection.rollback()
        except BaseException:  # noqa: BLE001 - closing rolls back as well; the first error is the one to tell
            connection.close()

    async def _commit(self, connection: Connection, *, track_gtid: bool) -> None:
        commit = asyncio.create_task(connection.commit(track_gtid=track_gtid))
        self._commits.add(commit)
        commit.add_done_callback(self._commits.discard)
        try:
            await asyncio.shield(commit)
        except asyncio.CancelledError:
            self._detach(connection, commit)
            raise
        except Exception as error:
            connection.close()
            if errors.commit_is_unknown(error):
                self._look_soon(connection.address)
                raise errors.OutcomeUnknown(str(error)[:200]) from error
            if errors.says_too_large(error):
                raise errors.TransactionTooLarge(str(error)[:200]) from error
            if errors.meaning(error) is errors.Meaning.REPEAT:
                raise errors.TransactionLost(str(error)[:200]) from error
            raise

    def _detach(self, connection: Connection, commit: asyncio.Task[None]) -> None:
        """The caller was cancelled: the commit goes on and owns the connection, which is closed afterwards."""
        self._detached.add(connection)

        def ended(done: asyncio.Task[None]) -> None:
            if not done.cancelled():
                done.exception()  # nobody is left to tell; the idempotency row answers a repetition
            self._detached.discard(connection)
            connection.close()

        commit.add_done_callback(ended)
