"""The documents that handlers write: CSV, NDJSON, manifest."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.identifiers import public_order_id
from hcs_services.models import NewReport
from hcs_services.worker.handlers.objects import PIECE, Described, described, rendered
from hcs_services.worker.handlers.report import COLUMNS, HEADER, generate_report, render_csv
from hcs_services.worker.handlers.sync import OVERLAP, manifest, object_key, render_ndjson
from hcs_services.worker.ports import Page, Ports
from hcs_services.worker.task import Permanent, Task

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


class PlayedReads:
    """Pages of orders that make several pieces."""

    orders = PIECE // 40

    async def of_user(self, _user_id: str, start: datetime, _end: datetime) -> AsyncGenerator[Page]:
        row = {"order_id": 1, "product_id": "book", "quantity": 1, "total_amount": Decimal("19.90")}
        row |= {"user_id": "ada", "status": "PAID", "ver": 1, "created_at": start, "updated_at": start}
        yield [row] * self.orders

    def changed_since(self, since: datetime) -> AsyncGenerator[Page]:
        raise NotImplementedError


class Session:
    """A database session with the variable `@report`; notes the sizes of what it is sent."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.stored = ""
        self._variable: str | None = None

    async def execute(self, sql: str, arguments: Sequence[Any] = ()) -> int:
        self.sizes += [len(argument) for argument in arguments if isinstance(argument, str)]
        if sql.startswith("INSERT"):
            assert self._variable is not None
            self.stored = self._variable
        else:
            self._variable = (self._variable or "") + "".join(arguments) if "NULL" not in sql else None
        return 1


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


async def test_a_large_document_is_described_as_a_whole() -> None:
    document = b"a,b\r\n" * PIECE
    assert await described(document) == (PIECE, 5 * PIECE, hashlib.sha256(document).hexdigest())


async def test_a_large_report_goes_to_the_database_whole_in_statements_that_hold_the_loop_for_a_moment_only() -> None:
    ports = Ports(cast("Any", None), PlayedReads(), None, None, None)
    task = Task("T1", "generate_report", {}, SINCE, 1)
    period = {"from": SINCE.isoformat(), "to": (SINCE + timedelta(days=1)).isoformat()}
    effect = await generate_report(task, NewReport.model_validate({"user_id": "ada", **period}), ports)
    database = Session()
    done = await effect(cast("Any", database), SINCE)

    assert done.result is not None
    assert hashlib.sha256(database.stored.encode()).hexdigest() == done.result["sha256"]
    assert done.result["orders"] == PlayedReads.orders
    assert max(database.sizes) <= PIECE < len(database.stored)


@given(ROWS)
def test_a_sync_is_one_order_a_line(rows: list[dict[str, Any]]) -> None:
    lines = render_ndjson(rows).decode().splitlines()
    assert [json.loads(line)["order_id"] for line in lines] == [public_order_id(row["order_id"]) for row in rows]


async def test_a_manifest_names_what_stands_in_the_store() -> None:
    content = b'{"a":1}\n{"a":2}\n'
    written = manifest("orders/x/y.ndjson", await described(content), SINCE, SINCE + timedelta(hours=1))
    assert written["objects"] == [
        {"key": "orders/x/y.ndjson", "orders": 2, "bytes": 16, "sha256": hashlib.sha256(content).hexdigest()}
    ]
    assert (written["since"], written["until"]) == ("2026-11-23T12:00:00Z", "2026-11-23T12:59:30Z")


@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_the_next_since_never_goes_back_and_leaves_time_for_open_transactions(later: timedelta) -> None:
    until = datetime.fromisoformat(manifest("k", Described(0, 0, ""), SINCE, SINCE + later)["until"])
    assert until == max(SINCE, SINCE + later - OVERLAP)


def test_an_objects_key_shows_since_as_people_write_it() -> None:
    assert object_key(SINCE, "T1") == "orders/2026-11-23T12:00:00Z/T1.ndjson"
