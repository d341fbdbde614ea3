"""The documents that handlers write: CSV, NDJSON, manifest."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.identifiers import public_order_id
from hcs_services.worker.handlers.objects import rendered
from hcs_services.worker.handlers.report import COLUMNS, HEADER, render_csv
from hcs_services.worker.handlers.sync import OVERLAP, manifest, object_key, render_ndjson
from hcs_services.worker.ports import Page
from hcs_services.worker.task import Permanent

pytestmark = pytest.mark.unit

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "order_id": st.integers(0, 2**63 - 1),
            "user_id": st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
            "product_id": st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
            "quantity": st.integers(1, 10_000),
            "total_amount": st.decimals(Decimal(0), Decimal("9999999999.99"), places=2),
            "status": st.sampled_from(["PENDING", "PAID", "CANCELLED"]),
            "ver": st.integers(1, 2**53 - 1),
            "created_at": st.datetimes(datetime(2025, 1, 1)),  # noqa: DTZ001 - as the database gives them
            "updated_at": st.datetimes(datetime(2025, 1, 1)),  # noqa: DTZ001
        }
    ),
    max_size=5,
)
SINCE = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def pages(*names: list[str], read: list[str] | None = None) -> AsyncGenerator[Page]:
    """A page of rows with these ids for each; notes in `read` how far it came, and that it was closed."""
    read = [] if read is None else read
    try:
        for page in names:
            read += page
            yield [{"id": name} for name in page]
    finally:
        read.append("closed")


@given(ROWS)
def test_a_report_read_back_is_the_orders_under_their_header(rows: list[dict[str, Any]]) -> None:
    text = (HEADER + render_csv(rows)).decode()
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert tuple(read[0]) == COLUMNS
    assert [line[0] for line in read[1:]] == [public_order_id(row["order_id"]) for row in rows]
    assert [Decimal(line[3]) for line in read[1:]] == [row["total_amount"] for row in rows]
    assert text.count("\r\n") == len(rows) + 1


async def test_pages_are_rendered_one_by_one_behind_their_head() -> None:
    assert await rendered(pages(["a"], ["b"]), lambda page: page[0]["id"].encode(), 3, head=b"h") == b"hab"


async def test_a_document_that_grows_too_large_is_refused_before_the_rest_is_read() -> None:
    read: list[str] = []
    with pytest.raises(Permanent) as failed:
        await rendered(pages(["a"], ["b"], ["c"], ["d"], read=read), lambda page: page[0]["id"].encode(), 2)
    assert failed.value.reason == "too-large"
    assert read == ["a", "b", "c", "closed"]


@given(ROWS)
def test_a_sync_is_one_order_a_line(rows: list[dict[str, Any]]) -> None:
    lines = render_ndjson(rows).decode().splitlines()
    assert [json.loads(line)["order_id"] for line in lines] == [public_order_id(row["order_id"]) for row in rows]


def test_a_manifest_names_what_stands_in_the_store() -> None:
    content = b'{"a":1}\n{"a":2}\n'
    written = manifest("orders/x/y.ndjson", content, SINCE, SINCE + timedelta(hours=1))
    assert written["objects"] == [
        {"key": "orders/x/y.ndjson", "orders": 2, "bytes": 16, "sha256": hashlib.sha256(content).hexdigest()}
    ]
    assert (written["since"], written["until"]) == ("2026-11-23T12:00:00Z", "2026-11-23T12:59:30Z")


@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_the_next_since_never_goes_back_and_leaves_time_for_open_transactions(later: timedelta) -> None:
    until = datetime.fromisoformat(manifest("k", b"", SINCE, SINCE + later)["until"])
    assert until == max(SINCE, SINCE + later - OVERLAP)


def test_an_objects_key_shows_since_as_people_write_it() -> None:
    assert object_key(SINCE, "T1") == "orders/2026-11-23T12:00:00Z/T1.ndjson"
