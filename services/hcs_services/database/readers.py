"""The read replicas that may serve: discovered by DNS, judged by heartbeat, chosen by load and by GTID.

Lag is the distance between the heartbeat row that the primary shows and the one that the replica shows. So a replica
that stops replicating grows old at once, while a stopped heartbeat writer or a dead primary freezes every lag at its
last value (`staleness`); without a primary that ends after `max_staleness_during_outage_seconds`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import structlog
from prometheus_client import Gauge

from hcs_services import request_context
from hcs_services.database import errors, staleness
from hcs_services.database.connection import Connection, account, open_connection
from hcs_services.database.errors import NoReader, ReadersTooOld
from hcs_services.database.gtid import GtidSet
from hcs_services.database.members import PrimaryPool
from hcs_services.database.resolver import resolve
from hcs_services.database.staleness import Bounds, Outage, Sight, stamp
from hcs_services.settings import Settings

POLL_SECONDS = 0.5
RESOLVE_SECONDS = 2.0
_ANSWER_SECONDS = 2.0
_HEARTBEAT = "SELECT beat_at FROM heartbeat WHERE id = 1"
_STATE = "SELECT @@GLOBAL.gtid_executed AS gtid, (SELECT beat_at FROM heartbeat WHERE id = 1) AS beat_at"
_WAIT = "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s) AS timed_out"

ELIGIBLE = Gauge(
    "hcs_database_readers_eligible", "Read replicas that may serve reads now: they answer and are not behind."
)
LAG = Gauge(
    "hcs_database_reader_lag_seconds",
    "How far the last of the reachable read replicas is behind, by the primary's heartbeat.",
)

_log = structlog.get_logger(__name__)


class Reader:
    """One replica: its connections and what the last poll said of it."""

    def __init__(self, address: str, size: int) -> None:
        self.address = address
        self.slots = asyncio.Semaphore(size)
        self.idle: list[Connection] = []
        self.in_flight = 0
        self.executed = GtidSet({})
        self.beat_at: datetime | None = None
        self.reachable = False

    def close(self) -> None:
        """Close what is idle; connections in use are closed when they come back."""
        self.reachable = False
        while self.idle:
            self.idle.pop().close()


class ReaderPool:
    """Connections to eligible replicas. `clock` is steady, `wall` is Unix time; both count seconds."""

    def __init__(
        self,
        addresses: Callable[[], Awaitable[list[str]]],
        connect: Callable[[str], Awaitable[Connection]],
        primary: PrimaryPool,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._addresses = addresses
        self._connect = connect
        self._primary = primary
        self._settings = settings
        self._bounds = Bounds(settings.max_lag_seconds, settings.max_staleness_during_outage_seconds)
        self._clock = clock
        self._wall = wall
        self._readers: dict[str, Reader] = {}
        self._began = self._now()
        self._seen: Sight | None = None

    @classmethod
    def of(cls, settings: Settings, user: str, primary: PrimaryPool) -> ReaderPool:
        """The replicas that the settings name; `primary` shows the heartbeat to measure against."""
        login = account(settings, user, host=settings.database_readers_host)

        async def addresses() -> list[str]:
            return await resolve(settings.database_readers_host) if settings.database_readers_host else []

        return cls(addresses, lambda address: open_connection(login, address), primary, settings)

    def eligible(self) -> list[Reader]:
        """Replicas that answer, are not behind and, while no primary shows itself, not too old."""
        silence = self._clock() - self._sight().at
        return [it for it in self._answering() if staleness.serves(self._lag(it), silence, self._bounds)]

    def outage(self) -> Outage | None:
        """What reads at replicas are bounded by while no primary shows itself; None while one does."""
        sight = self._sight()
        seconds = staleness.outage_seconds(self._clock() - sight.at, self._bounds)
        return Outage(sight.unix, sight.unix + self._bounds.max_staleness, seconds) if seconds else None

    def frozen_seconds(self) -> float:
        """For how long no primary has shown itself: what reads may be stale by on top of the lag; 0 while one does."""
        outage = self.outage()
        return outage.seconds if outage else 0.0

    async def watch(self) -> None:
        """Poll for ever. Run in the Background."""
        resolved = 0.0
        while True:
            if time.monotonic() - resolved > RESOLVE_SECONDS:
                await self._discover()
                resolved = time.monotonic()
            await self.poll()
            await asyncio.sleep(POLL_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load only

    async def refresh(self) -> None:
        """Discover and poll once, for a start that need not wait for the first round."""
        await self._discover()
        await self.poll()

    @asynccontextmanager
    async def reader(self, token_gtid: str | None = None) -> AsyncIterator[Connection]:
        """A connection (autocommit) to a replica that has executed `token_gtid`; raises NoReader.

        A replica that polled too old is waited for once, at most `consistency_max_wait_ms`, outside any transaction.
        """
        wanted = GtidSet.parse(token_gtid) if token_gtid else None
        reader, caught_up = self._choose(wanted)
        async with self._lend(reader) as connection:
            if wanted is not None and not caught_up:
                await self._catch_up(connection, str(token_gtid))
            yield connection

    async def poll(self) -> None:
        """Ask the primary and every replica once, all at the same time."""
        await asyncio.gather(self._poll_primary(), *(self._poll(reader) for reader in list(self._readers.values())))
        ELIGIBLE.set(len(self.eligible()))
        LAG.set(max(map(self._lag, self._answering()), default=0.0))

    async def close(self) -> None:
        """Close every idle connection."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    # -- the parts ------------------------------------------------------------------------------------------------

    def _now(self) -> Sight:
        return Sight(self._clock(), self._wall())

    def _sight(self) -> Sight:
        return self._seen or staleness.unseen(self._newest(), self._began, self._now())

    def _newest(self) -> datetime | None:
        return max((it.beat_at for it in self._readers.values() if it.beat_at is not None), default=None)

    def _lag(self, reader: Reader) -> float:
        shown = self._seen.beat if self._seen else None
        # without a primary since this process began, the freshest replica is the best that is known
        return staleness.lag(reader.beat_at, shown or self._newest())

    def _answering(self) -> list[Reader]:
        return [reader for reader in self._readers.values() if reader.reachable]

    def _none(self) -> NoReader:
        outage = self.outage()
        if outage and any(self._lag(reader) <= self._bounds.max_lag for reader in self._answering()):
            allowed = f"{self._bounds.max_staleness:g} s"
            return ReadersTooOld(
                f"no primary has shown itself since {stamp(outage.since)}, and replicas serve for {allowed} without one"
            )
        return NoReader("no eligible replica")

    def _choose(self, wanted: GtidSet | None) -> tuple[Reader, bool]:
        """Of two random candidates the less busy; those that have the token's transactions come first."""
        eligible = self.eligible()
        if not eligible:
            raise self._none()
        ready = eligible if wanted is None else [reader for reader in eligible if reader.executed.contains(wanted)]
        pool = ready or eligible
        pair = random.sample(pool, min(2, len(pool)))
        return min(pair, key=lambda reader: reader.in_flight), bool(ready)

    @asynccontextmanager
    async def _lend(self, reader: Reader) -> AsyncIterator[Connection]:
        async with self._slot(reader):
            connection = await self._checkout(reader)
            try:
                yield connection
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) or errors.connection_is_lost(error):
                    connection.close()
                if errors.connection_is_lost(error) and not isinstance(error, errors.StatementTimeout):
                    # eject at once; the next poll that succeeds brings it back. A timeout may be due to the caller's
                    # own short deadline, so it ejects nothing: slowness is for the poll to judge
                    reader.close()
                raise
            finally:
                self._checkin(reader, connection)

    @asynccontextmanager
    async def _slot(self, reader: Reader) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(request_context.remaining(_ANSWER_SECONDS)):
                await reader.slots.acquire()
        except TimeoutError:
            raise NoReader("all connections to the replica are in use") from None
        reader.in_flight += 1
        try:
            yield
        finally:
            reader.in_flight -= 1
            reader.slots.release()

    async def _checkout(self, reader: Reader) -> Connection:
        while reader.idle:
            connection = reader.idle.pop()
            if not connection.broken:
                return connection
        try:
            return await self._connect(reader.address)
        except Exception as error:
            if not errors.server_is_full(error):
                reader.close()
            raise NoReader(f"cannot connect to the replica: {error}") from error

    def _checkin(self, reader: Reader, connection: Connection) -> None:
        if connection.broken or not reader.reachable or self._readers.get(reader.address) is not reader:
            connection.close()
        else:
            reader.idle.append(connection)

    async def _catch_up(self, connection: Connection, gtid: str) -> None:
        seconds = min(self._settings.consistency_max_wait_ms / 1000, request_context.remaining(1.0))
        row = await connection.fetch_one(_WAIT, (gtid, seconds)) if seconds > 0 else None
        if row is None or row["timed_out"]:
            raise NoReader("no replica has executed the token's transactions in time")

    async def _discover(self) -> None:
        try:
            addresses = await self._addresses()
        except OSError as error:
            _log.info("cannot resolve the readers", error=str(error))
            return  # DNS is away: keep what is known
        for gone in self._readers.keys() - set(addresses):
            self._readers.pop(gone).close()
        for address in addresses:
            if address not in self._readers:
                self._readers[address] = Reader(address, self._settings.reader_pool_size)

    async def _poll_primary(self) -> None:
        if self._primary.primary is None and await self._primary.refresh() is None:
            return
        try:
            async with asyncio.timeout(_ANSWER_SECONDS), self._primary.connection() as connection:
                row = await connection.fetch_one(_HEARTBEAT)
        except Exception:  # noqa: BLE001 - silence is the finding
            return
        before = self._seen.beat if self._seen else None
        self._seen = self._now()._replace(beat=row["beat_at"] if row is not None else before)

    async def _poll(self, reader: Reader) -> None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                connection = reader.idle.pop() if reader.idle else await self._connect(reader.address)
                row = await connection.fetch_one(_STATE)
        except Exception as error:  # noqa: BLE001 - whatever the reason, it does not serve
            if errors.server_is_full(error):
                return  # it serves the connections it has; one that stays unseen grows old by its heartbeat
            if reader.reachable:
                _log.info("reader ejected", address=reader.address, error=str(error)[:200])
            reader.close()
            return
        assert row is not None
        reader.executed = GtidSet.parse(str(row["gtid"]))
        reader.beat_at = row["beat_at"]
        reader.reachable = True
        self._checkin(reader, connection)
