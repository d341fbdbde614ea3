"""`generate_report`: a user's orders of a period as CSV, in the object store, or in the database without one.

The CSV is RFC 4180: a header line, CRLF, fields quoted where needed; oldest order first. Every stored form is final:
a later try finds the object or the row and leaves it as it is. One of more than LARGEST_BYTES is refused.
"""

import csv
import io
from datetime import datetime
from typing import Any, Final

from hcs_services.database.connection import Connection
from hcs_services.database.versions import clock_version
from hcs_services.identifiers import slot_of
from hcs_services.models import NewReport, order_document
from hcs_services.worker.handlers.objects import PIECE, described, put_once, rendered
from hcs_services.worker.ports import Page, Ports
from hcs_services.worker.registry import HANDLERS
from hcs_services.worker.task import Done, Effect, Task
from hcs_services.worker.task_rows import naive

COLUMNS: Final = ("order_id", "product_id", "quantity", "total_amount", "status", "created_at")
HEADER: Final = (",".join(COLUMNS) + "\r\n").encode()
# A statement that stores it holds it several times over, and four tasks share a worker's memory.
LARGEST_BYTES: Final = 16 * 2**20


def render_csv(rows: Page) -> bytes:
    """The lines of these rows of `orders`, UTF-8."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    for row in rows:
        document = order_document(row)
        writer.writerow([document[column] for column in COLUMNS])
    return text.getvalue().encode()


def object_key(task_id: str) -> str:
    """Where a report stands in the object store."""
    return f"reports/{task_id}.csv"


# Alone: every member applies a transaction as a whole, and some of LARGEST_BYTES in one would hold up all others.
@HANDLERS.handles("generate_report", payload=NewReport, seconds=45, alone=True)
async def generate_report(task: Task, payload: NewReport, ports: Ports) -> Effect:
    """Read, render, and store where there is an object store; without one the effect is the row in `reports`."""
    pages = ports.reads.of_user(payload.user_id, payload.from_, payload.to)
    content = await rendered(pages, render_csv, LARGEST_BYTES, head=HEADER)
    result: dict[str, Any] = {}
    if ports.store is not None:
        result["object"] = object_key(task.id)
        # An object that an earlier try left counts as it is.
        content = await put_once(ports.store, result["object"], content, "text/csv; charset=utf-8")
    standing = await described(content)
    result |= {"orders": max(0, standing.lines - 1)}  # one a line, after the header
    result |= {"bytes": standing.bytes, "sha256": standing.sha256}

    async def effect(tx: Connection, now: datetime) -> Done:
        if ports.store is None:
            await _insert(tx, task.id, payload.user_id, content.decode(), now)
        return Done(result=result)

    return effect


async def _insert(tx: Connection, task_id: str, user_id: str, content: str, now: datetime) -> None:
    """Add the row. Its content goes over in pieces, because the driver escapes a statement in one go: one of
    LARGEST_BYTES would hold up the loop for a quarter of a second.
    """
    await tx.execute("SET @report = ''")
    for first in range(0, len(content), PIECE):
        await tx.execute("SET @report = CONCAT(@report, %s)", (content[first : first + PIECE],))
    await tx.execute(
        "INSERT INTO reports (task_id, user_id, content, created_at, slot, ver) VALUES (%s, %s, @report, %s, %s, %s)",
        (task_id, user_id, naive(now), slot_of(user_id), clock_version(now)),
    )
    await tx.execute("SET @report = NULL")  # the session stays
