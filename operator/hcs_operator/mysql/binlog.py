"""Transactions as bytes: which events of a binary log belong to which GTIDs, and files that `mysqlbinlog` reads.

A file is the magic number, a format description, then events as they came from the server. It is kept gzipped.
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication.html
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from uuid import UUID

from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.mysql.errors import NotExported

MAGIC = b"\xfebin"
PACKED_LIMIT = 750 * 1024
"""Bytes of a gzipped file: a ConfigMap holds 1 MiB, and a request with it in base64 is to stay below that, too."""
PLAIN_LIMIT = 64 * 1024 * 1024
"""Bytes of a file in plain: more is neither read nor unpacked."""

_HEADER = struct.Struct("<IBIIIH")
"""Seconds, type, server id, size of the event with its header, position, flags."""
_STOP, _ROTATE, _FORMAT, _GTID, _ANONYMOUS, _PREVIOUS, _TAGGED = 3, 4, 15, 33, 34, 35, 42
_NO_TRANSACTIONS = frozenset({_STOP, _ROTATE, _PREVIOUS, 27, 41})
"""Of files and connections (27 and 41 are heartbeats)."""
_NON_BLOCKING = 1
_GZIP = 31
"""zlib's word for a gzip header; it writes no time into it, so that equal events make equal bytes."""


def request(excluded: GtidSet) -> bytes:
    """Return the payload of COM_BINLOG_DUMP_GTID for all but these transactions, ending where the log ends now.

    A tagged GTID cannot be said in this form: its transaction comes along, and is left out by `chosen`.
    """
    sources = {uuid: intervals for (uuid, tag), intervals in excluded.intervals.items() if not tag}
    known = struct.pack("<Q", len(sources))
    for uuid, intervals in sorted(sources.items()):
        known += UUID(uuid).bytes + struct.pack("<Q", len(intervals))
        known += b"".join(struct.pack("<QQ", first, last + 1) for first, last in intervals)
    return struct.pack("<HIIQI", _NON_BLOCKING, 0, 0, len(MAGIC), len(known)) + known


def chosen(events: Iterable[bytes], wanted: GtidSet) -> Iterator[bytes]:
    """Yield the events of these transactions, after the format description that they were written with."""
    format_, told, keeping = b"", b"", False
    for event in events:
        kind = event[4]
        if kind == _FORMAT:
            format_, keeping = event, False
        elif kind in _NO_TRANSACTIONS:
            keeping = False
        elif kind in {_GTID, _ANONYMOUS, _TAGGED}:
            keeping = kind == _GTID and _gtid(event) <= wanted
        if keeping and kind != _FORMAT:
            if told != format_:
                yield format_
                told = format_
            yield event


def pack(events: Iterable[bytes]) -> bytes:
    """Return a gzipped binary log of these events; raises NotExported when it grows too large."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    parts, plain, size = [squeeze.compress(MAGIC)], len(MAGIC), 0
    for event in events:
        parts.append(squeeze.compress(event))
        plain, size = plain + len(event), size + len(parts[-1])
        if plain > PLAIN_LIMIT or size > PACKED_LIMIT:
            break
    packed = b"".join([*parts, squeeze.flush()])
    if plain > PLAIN_LIMIT or len(packed) > PACKED_LIMIT:
        limit = f"{PACKED_LIMIT // 1024} KiB gzipped or {PLAIN_LIMIT // 2**20} MiB in plain"
        raise NotExported(f"they are more than {limit}, which is what a ConfigMap can keep")
    return packed


def covered(packed: bytes) -> GtidSet:
    """Return the transactions that a gzipped binary log holds; ValueError when it is damaged."""
    expand = zlib.decompressobj(_GZIP)
    try:
        plain = expand.decompress(packed, PLAIN_LIMIT + 1)
    except zlib.error as error:
        raise ValueError(f"not gzipped: {error}") from error
    if not expand.eof or not plain.startswith(MAGIC):
        raise ValueError("not a whole binary log")
    found, last = [], None
    for event in _events(plain):
        if event[4] == _GTID:
            last = _gtid(event)
        elif last is not None:
            found.append(str(last))
            last = None
    return GtidSet.parse(",".join(found))


def fingerprint(packed: bytes) -> str:
    """Return a short name of what the transactions of a gzipped binary log do; ValueError when it is damaged."""
    plain = zlib.decompress(packed, _GZIP)
    digest = hashlib.sha256()
    for event in _events(plain):
        if event[4] != _FORMAT:
            digest.update(event)
    return digest.hexdigest()[:8]


def _events(plain: bytes) -> Iterator[bytes]:
    """Yield a file's events; ValueError for one that is cut off or whose checksum is wrong."""
    at, checked = len(MAGIC), False
    while at < len(plain):
        if at + _HEADER.size > len(plain):
            raise ValueError("an event is cut off")
        size = _HEADER.unpack_from(plain, at)[3]
        event = plain[at : at + size]
        if size < _HEADER.size or len(event) < size:
            raise ValueError("an event is cut off")
        if event[4] == _FORMAT:
            checked = event[-5] == 1  # the algorithm, before the description's own checksum
        if checked and zlib.crc32(event[:-4]) != int.from_bytes(event[-4:], "little"):
            raise ValueError("an event's checksum is wrong")
        yield event
        at += size


def _gtid(event: bytes) -> GtidSet:
    """Read the GTID that an event begins: flags, 16 bytes of uuid, number."""
    body = event[_HEADER.size :]
    number = int.from_bytes(body[17:25], "little")
    return GtidSet({(str(UUID(bytes=body[1:17])), ""): ((number, number),)})
