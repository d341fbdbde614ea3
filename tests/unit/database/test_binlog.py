"""Binary logs: what is asked for, which events are kept, and what a kept file proves to hold."""

from __future__ import annotations

import gzip
import os

import pytest
from tests.unit.database.binary_logs import TAGGED, XID, event, format_description, transaction, transactions
from tests.unit.database.views import GROUP, OTHER_GROUP

from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.mysql import binlog
from hcs_operator.mysql.errors import NotExported

pytestmark = pytest.mark.unit

ALL = GtidSet.parse(f"{GROUP}:1-5,{OTHER_GROUP}:7-9")
OWN = GtidSet.parse(f"{OTHER_GROUP}:7:9")


def packed(gtids: GtidSet = ALL, wanted: GtidSet = OWN) -> bytes:
    return binlog.pack(binlog.chosen(transactions(gtids), wanted))


def test_a_request_names_what_is_known_and_ends_where_the_log_ends() -> None:
    sent = binlog.request(GtidSet.parse(f"{GROUP}:1-5:9"))
    flags, data = sent[:2], sent[22:]
    assert flags == b"\x01\x00"
    assert sent[10:18] == (4).to_bytes(8, "little")
    assert int.from_bytes(sent[18:22], "little") == len(data) == 8 + 16 + 8 + 2 * 16
    numbers = [int.from_bytes(data[at : at + 8], "little") for at in range(32, len(data), 8)]
    assert numbers == [1, 6, 9, 10]


def test_a_tagged_set_is_left_out_of_a_request() -> None:
    assert binlog.request(GtidSet.parse(f"{GROUP}:here:1-5")) == binlog.request(GtidSet())


def test_a_file_holds_the_wanted_transactions_alone() -> None:
    plain = gzip.decompress(packed())
    assert binlog.covered(packed()) == OWN
    kept = [format_description(), *transaction(OTHER_GROUP, 7), *transaction(OTHER_GROUP, 9)]
    assert plain == binlog.MAGIC + b"".join(kept)


def test_equal_transactions_make_equal_bytes() -> None:
    assert packed() == packed()


def test_events_after_another_format_description_come_with_it() -> None:
    other = format_description("8.4.9")
    events = [format_description(), *transaction(OTHER_GROUP, 7), other, other, *transaction(OTHER_GROUP, 9)]
    kept = list(binlog.chosen(events, OWN))
    assert kept == [format_description(), *transaction(OTHER_GROUP, 7), other, *transaction(OTHER_GROUP, 9)]


def test_a_tagged_transaction_is_not_taken_for_the_one_before_it() -> None:
    events = [format_description(), *transaction(OTHER_GROUP, 7), event(TAGGED, bytes(30)), event(XID, bytes(8))]
    assert list(binlog.chosen(events, OWN)) == events[:4]


def test_a_gtid_without_its_transaction_is_not_covered() -> None:
    begun = [format_description(), *transaction(OTHER_GROUP, 7), transaction(OTHER_GROUP, 9)[0]]
    assert binlog.covered(binlog.pack(begun)) == GtidSet.parse(f"{OTHER_GROUP}:7")


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"text",
        packed()[:-9],
        gzip.compress(b"text"),
        gzip.compress(gzip.decompress(packed())[:-1]),
        gzip.compress(gzip.decompress(packed()).replace(b"INSERT", b"UPDATE")),
    ],
    ids=["nothing", "not gzipped", "cut off", "no binary log", "an event cut off", "an event changed"],
)
def test_a_damaged_file_is_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r"gzipped|whole|cut off|checksum"):
        binlog.covered(damaged)


def test_what_no_configmap_can_keep_is_refused() -> None:
    noise = os.urandom(binlog.PACKED_LIMIT + 1)
    with pytest.raises(NotExported, match="750 KiB"):
        binlog.pack([format_description(), *transaction(OTHER_GROUP, 7, noise)])


def test_what_is_too_large_in_plain_is_refused_however_well_it_packs() -> None:
    rows = transaction(OTHER_GROUP, 7, bytes(binlog.PLAIN_LIMIT // 4))
    with pytest.raises(NotExported, match="64 MiB"):
        binlog.pack([format_description(), *rows * 4])
