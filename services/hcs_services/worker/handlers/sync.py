"""`sync_data`: the orders changed since a moment, as NDJSON in the object store, with a manifest as the result.

`until` in the manifest is the `since` of the next sync. It lies before the moment of reading by the longest time a
transaction may take between setting `updated_at` and its commit, so that no change falls between two syncs; a change
may be in both.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hcs_services.database.connection import Connection
from hcs_services.models import NewSync, order_document
from hcs_services.worker.handlers.objects import Described, described, put_once, rendered
from hcs_services.worker.ports import Page, Ports
from hcs_services.worker.registry import HANDLERS
from hcs_services.worker.task import Done, Effect, Permanent, Task

OVERLAP: Final = timedelta(seconds=30)
LARGEST_BYTES: Final = 32 * 2**20  # of one object, some 130,000 orders: four tasks share a worker's memory


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, without a fraction where it is zero: as people write it and as the object's key shows it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def object_key(since: datetime, task_id: str) -> str:
    """Where a sync stands in the object store."""
    return f"orders/{timestamp(since)}/{task_id}.ndjson"


def render_ndjson(rows: Page) -> bytes:
    """One order document a line, UTF-8."""
    return b"".join(json.dumps(order_document(row), separators=(",", ":")).encode() + b"\n" for row in rows)


def manifest(key: str, standing: Described, since: datetime, read_at: datetime) -> dict[str, Any]:
    """What was written: `{objects: [{key, orders, bytes, sha256}], since, until}`."""
    written = {"key": key, "orders": standing.lines, "bytes": standing.bytes, "sha256": standing.sha256}
    return {
        "objects": [written],
        "since": timestamp(since),
        "until": timestamp(max(since, read_at - OVERLAP)),
    }


@HANDLERS.handles("sync_data", payload=NewSync, seconds=45)
async def sync_data(task: Task, payload: NewSync, ports: Ports) -> Effect:
    """Read, render, put; the effect is the manifest in the task's row."""
    if ports.store is None:
        raise Permanent("object-store-not-configured", "there is no object store to sync to")
    # The accept, not now: an object that an earlier try left was read after it, whichever try that was.
    read_at = task.created_at
    content = await rendered(ports.reads.changed_since(payload.since), render_ndjson, LARGEST_BYTES)
    key = object_key(payload.since, task.id)
    standing = await put_once(ports.store, key, content, "application/x-ndjson")
    result = manifest(key, await described(standing), payload.since, read_at)

    async def effect(_tx: Connection, _now: datetime) -> Done:
        return Done(result=result)

    return effect
