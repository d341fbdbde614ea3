"""Run a keyed transaction until its outcome is known, or the deadline says that it is not.

The work's first statement inserts its key (an idempotency or inbox row). So after a COMMIT of unknown outcome the
same work is simply run again on whoever is PRIMARY with a majority: a duplicate key says that it had happened, an
insert that commits says that it had not and now has. Nothing is ever guessed (40-database.md, traps 3 and 8).

A primary that is losing its group and one whose group finds a transaction too large answer COMMIT with the same error.
The one that answers so twice and still leads afterwards is the latter: its second run found the key free, so the first
had not happened, and no member applies without it what the primary itself has rolled back.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from prometheus_client import Counter

from hcs_services import request_context
from hcs_services.database.connection import Connection
from hcs_services.database.errors import (
    DatabaseUnavailable,
    OutcomeUnknown,
    TransactionLost,
    TransactionTooLarge,
    group_refused,
)
from hcs_services.database.members import PrimaryPool

REPEATS = Counter(
    "hcs_database_transaction_repeats_total",
    "Transactions run again, because they were lost (deadlock, lost connection) or their outcome was unknown.",
    ["reason"],
)
_LOST_TRIES = 5
_PAUSE = (0.01, 0.05)
_WITHOUT_DEADLINE = 30.0

Result = TypeVar("Result")


class Settled(NamedTuple, Generic[Result]):
    """What the work returned, and a GTID set that contains what it committed."""

    value: Result
    gtid: str


async def run_keyed(
    pool: PrimaryPool, work: Callable[[Connection, bool], Awaitable[Result]], *, settling: bool = False
) -> Settled[Result]:
    """Run `work(connection, settling)` in a transaction; `settling` is true once an earlier COMMIT is unknown.

    It is given as true where that COMMIT was another's: of a group that this work was part of.

    Raises OutcomeUnknown if the deadline passes first, TransactionTooLarge if the group takes nothing of this size,
    TransactionLost after repeated deadlocks, DatabaseUnavailable if no primary was found (and nothing is pending), and
    whatever the work raises.
    """
    lost, refused_at = 0, ""
    while True:
        try:
            async with pool.transaction(track_gtid=True) as connection:
                result = await work(connection, settling)
        except OutcomeUnknown as error:
            REPEATS.labels("outcome-unknown").inc()
            settling = True
            refused_at = await _refused_at(pool, connection, error, refused_at)
        except TransactionLost as error:
            REPEATS.labels("lost").inc()
            lost += 1
            if lost >= _LOST_TRIES and not settling:
                raise
            if request_context.remaining(_WITHOUT_DEADLINE) <= _PAUSE[1]:
                raise (OutcomeUnknown(str(error)) if settling else error) from None
        except DatabaseUnavailable as error:
            if settling:
                raise OutcomeUnknown("no primary within the deadline to settle the commit") from error
            raise
        else:
            return Settled(result, connection.committed_gtid)
        if settling and request_context.remaining(_WITHOUT_DEADLINE) <= _PAUSE[1]:
            raise OutcomeUnknown("not settled within the deadline")
        await asyncio.sleep(random.uniform(*_PAUSE) * (lost + 1))  # noqa: S311 - spreads load only


async def _refused_at(pool: PrimaryPool, connection: Connection, error: OutcomeUnknown, before: str) -> str:
    """Where the group refused COMMIT, "" if it failed otherwise; raises TransactionTooLarge where it did `before`."""
    here = connection.address if group_refused(error.__cause__) else ""
    if here and here == before and await pool.refresh() == here:
        raise TransactionTooLarge(str(error)) from error
    return here
