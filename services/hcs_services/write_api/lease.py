"""Which of the write API's pods leads: a row with an expiry on the primary.

The lease only keeps pods from doing the same work twice. Nothing depends on there being one leader: outbox rows are
taken by SKIP LOCKED and every effect of theirs may happen twice.
"""

from __future__ import annotations

from hcs_services.database.connection import Connection

NAME = "relay"


class Lease:
    """The lease as one holder sees it; `holder` is unique to the process."""

    def __init__(self, holder: str, seconds: float) -> None:
        self._holder = holder
        self._microseconds = int(seconds * 1_000_000)

    async def hold(self, connection: Connection) -> bool:
        """Take or renew the lease; False while another holds it. A standby only reads."""
        row = await connection.fetch_one(
            "SELECT holder, expires_at < UTC_TIMESTAMP(6) AS expired FROM relay_lease WHERE name = %s", (NAME,)
        )
        if row is not None and row["holder"] != self._holder and not row["expired"]:
            return False
        # assignments run left to right, so the second one sees who holds the lease after the first
        await connection.execute(
            "INSERT INTO relay_lease (name, holder, expires_at)"
            " VALUES (%s, %s, UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND)"
            " ON DUPLICATE KEY UPDATE"
            " holder = IF(holder = %s OR expires_at < UTC_TIMESTAMP(6), %s, holder),"
            " expires_at = IF(holder = %s, UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND, expires_at)",
            (
                NAME,
                self._holder,
                self._microseconds,
                self._holder,
                self._holder,
                self._holder,
                self._microseconds,
            ),
        )
        row = await connection.fetch_one("SELECT holder FROM relay_lease WHERE name = %s", (NAME,))
        return row is not None and row["holder"] == self._holder

    async def give_up(self, connection: Connection) -> None:
        """Let another lead at once; called on the way out."""
        await connection.execute("DELETE FROM relay_lease WHERE name = %s AND holder = %s", (NAME, self._holder))
