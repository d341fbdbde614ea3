"""Reads the transactions that one instance alone has out of its binary logs."""

import time
from collections.abc import Iterable, Iterator

from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.mysql import binlog
from hcs_operator.mysql.errors import NotExported, Refused
from hcs_operator.mysql.session import Session

READ_SECONDS = 45.0
"""For all of it: a stack's look waits for it."""
_GONE = {1236, 1789}
"""The binary logs that hold them are purged or cannot be read."""


def read(session: Session, errant: GtidSet) -> bytes:
    """Return these transactions as a gzipped binary log; raises DatabaseError, NotExported when they aren't all there.

    Everything else that the instance has is named as known, so that only these come, whatever the logs weigh.
    """
    row = session.one("SELECT @@GLOBAL.gtid_executed AS executed")
    executed = GtidSet.parse(row["executed"] if row else "")
    # The events come with the checksums they are stored with, and a sign of life while others are skipped.
    session.run("SET @source_binlog_checksum = @@GLOBAL.binlog_checksum, @source_heartbeat_period = 1000000000")
    events = _within(READ_SECONDS, session.binary_log(binlog.request(executed - errant)))
    try:
        packed = binlog.pack(binlog.chosen(events, errant))
    except Refused as refusal:
        if refusal.number in _GONE:
            raise NotExported(f"its binary logs no longer have them ({refusal})") from refusal
        raise
    try:
        missing = errant - binlog.covered(packed)
    except ValueError as damage:
        raise NotExported(f"its binary logs are damaged: {damage}") from damage
    if missing:
        raise NotExported(f"its binary logs lack {missing}, or hold them in a form that is not read here")
    return packed


def _within(seconds: float, events: Iterable[bytes]) -> Iterator[bytes]:
    late = time.monotonic() + seconds
    for event in events:
        if time.monotonic() > late:
            raise NotExported(f"its binary logs were not read through within {seconds:.0f} s")
        yield event
