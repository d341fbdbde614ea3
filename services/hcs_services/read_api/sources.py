"""Where a read goes once no cache can answer it: a replica that is new enough, else the primary, else nowhere.

A token is met by a replica whose polled GTID set contains it, by one that catches up within the consistency wait,
or by the primary. If the primary itself lacks the token's transactions, a write was acknowledged and lost: that is
counted and said, never papered over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, NamedTuple, Protocol

from prometheus_client import Counter

from hcs_services import request_context
from hcs_services.database import errors
from hcs_services.database.errors import DatabaseFailure, NoReader
from hcs_services.problem import problem
from hcs_services.read_api.admission import Admission
from hcs_services.read_api.demand import Want

DATABASE_READS = Counter(
    "hcs_read_database_total", "Reads that a database server answered, by which kind: replica or primary.", ["source"]
)
LOST_WRITES = Counter(
    "hcs_read_lost_writes_total",
    "Tokens that name a write which the primary does not have: it was lost, or a new primary still applies it.",
)
_REPLICA_TRIES = 2
_PRIMARY_SECONDS = 2.0
_CONTAINED = "SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed) AS contained"
_WAIT = "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s) AS timed_out"


class Snapshot(NamedTuple):
    """What one statement saw of a row or a list. `as_of`: its heartbeat (Unix seconds); None where it reads none.

    The primary's is needed too: one that was cut off or has handed over answers for a while with rows that are out of
    date, and nothing but the last heartbeat that it committed or received says since when.

    `data` is the document as JSON, None where there is no row; `version` is that of the row or the list.
    """

    version: int
    data: bytes | None
    as_of: float | None
    source: Literal["replica", "primary"] = "replica"


class Session(Protocol):
    """As much of a database connection as reads need."""

    async def fetch_one(self, sql: str, arguments: Any = ()) -> dict[str, Any] | None:
        """The first row."""

    async def fetch_all(self, sql: str, arguments: Any = ()) -> list[dict[str, Any]]:
        """All rows."""


Query = Callable[[Session], Awaitable[list[Snapshot]]]


class Replicas(Protocol):
    """The part of `ReaderPool` used here."""

    def reader(self, token_gtid: str | None = None) -> AbstractAsyncContextManager[Session]:
        """A session on a replica that has executed the set; raises NoReader."""


class Primary(Protocol):
    """The part of `PrimaryPool` used here."""

    def connection(self) -> AbstractAsyncContextManager[Session]:
        """A session on the primary; raises DatabaseUnavailable."""


class Sources:
    """Reads from replicas and primary, each behind its own semaphore."""

    def __init__(
        self, replicas: Replicas, primary: Primary, *, replica_reads: int, primary_reads: int, wait_seconds: float
    ) -> None:
        self._replicas = replicas
        self._primary = primary
        self._replica_slots = Admission("replica", replica_reads)
        self._primary_slots = Admission("primary", primary_reads)
        self._wait_seconds = wait_seconds

    async def read(self, query: Query, want: Want) -> list[Snapshot]:
        """Run the query where the demand is met; raises 503 problems."""
        snapshots = None if want.primary else await self._from_replica(query, want.gtid)
        if snapshots is None:
            snapshots = await self.from_primary(query, want.gtid)
        DATABASE_READS.labels(snapshots[0].source).inc(len(snapshots))
        return snapshots

    async def from_primary(self, query: Query, gtid: str | None = None) -> list[Snapshot]:
        """Run the query at the primary, which must have executed the set; raises 503 problems.

        A deadline that ends here is a flight's, never a caller's: it is the servers that took too long.
        """
        try:
            async with (
                self._primary_slots.slot(),
                asyncio.timeout(request_context.remaining(_PRIMARY_SECONDS)),
                self._primary.connection() as session,
            ):
                if gtid is not None:
                    await self._must_contain(session, gtid)
                return [snapshot._replace(source="primary") for snapshot in await query(session)]
        except (DatabaseFailure, TimeoutError) as error:
            raise _unavailable() from error
        except Exception as error:
            if _server_is_gone(error):
                raise _unavailable() from error
            raise

    async def _from_replica(self, query: Query, gtid: str | None) -> list[Snapshot] | None:
        async with self._replica_slots.slot():
            for _ in range(_REPLICA_TRIES):
                try:
                    async with self._replicas.reader(gtid) as session:
                        return await query(session)
                except NoReader:
                    return None
                except Exception as error:
                    if not _server_is_gone(error):
                        raise
        return None

    async def _must_contain(self, session: Session, gtid: str) -> None:
        row = await session.fetch_one(_CONTAINED, (gtid,))
        if row is None or not row["contained"]:
            # a primary just elected may still be applying what it has received
            seconds = request_context.remaining(self._wait_seconds)
            row = await session.fetch_one(_WAIT, (gtid, seconds)) if seconds > 0 else None
            if row is None or row["timed_out"]:
                raise lost_write()


def lost_write() -> Exception:
    """Count and describe a token that the primary cannot meet.

    Without Retry-After, by which the gateway would tell a service in trouble: it is the token that asks too much.
    """
    LOST_WRITES.inc()
    return problem(
        "consistency-unavailable",
        "The token names a write that the primary does not have (yet): if this stays, that write was lost.",
    )


def _unavailable() -> Exception:
    return problem("database-unavailable", "Neither a replica nor the primary could answer in time.", retry_after=1)


def _server_is_gone(error: Exception) -> bool:
    return errors.connection_is_lost(error) or errors.meaning(error) is errors.Meaning.LOOK_AGAIN
