"""Binary logs put together event by event, as a server would send them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from uuid import UUID

from hcs_operator.decide.database.gtid import GtidSet

FORMAT, GTID, QUERY, XID, ROTATE, PREVIOUS, TAGGED = 15, 33, 2, 16, 4, 35, 42


def event(kind: int, body: bytes) -> bytes:
    """An event with its checksum."""
    size = 19 + len(body) + 4
    plain = struct.pack("<IBIIIH", 0, kind, 1, size, 0, 0) + body
    return plain + zlib.crc32(plain).to_bytes(4, "little")


def format_description(version: str = "9.7.4") -> bytes:
    """The first event of a file: checksums are on."""
    return event(FORMAT, struct.pack("<H50sIB", 4, version.encode(), 0, 19) + bytes(41) + b"\x01")


def transaction(uuid: str, number: int, payload: bytes = b"INSERT") -> list[bytes]:
    """A GTID, a statement, a commit."""
    gtid = b"\x01" + UUID(uuid).bytes + number.to_bytes(8, "little") + bytes(17)
    return [event(GTID, gtid), event(QUERY, payload), event(XID, bytes(8))]


def transactions(gtids: GtidSet, payload: bytes = b"INSERT") -> Iterator[bytes]:
    """What a dump of all these looks like: a rotation, a format description, then one after the other."""
    yield event(ROTATE, bytes(8) + b"binlog.000001")
    yield format_description()
    yield event(PREVIOUS, bytes(8))
    for (uuid, _), intervals in sorted(gtids.intervals.items()):
        for first, last in intervals:
            for number in range(first, last + 1):
                yield from transaction(uuid, number, payload)
