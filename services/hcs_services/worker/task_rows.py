"""The rows that make a task's effect happen once and its progress visible: `inbox` and `tasks`.

`succeeded` and `dead` are final for every path here, whichever of two deliveries gets there first; taking a dead task
up again is an operator's explicit act.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from hcs_services.database.connection import Connection
from hcs_services.database.errors import Meaning, meaning
from hcs_services.database.many_rows import marks
from hcs_services.database.versions import clock_version
from hcs_services.identifiers import slot_of
from hcs_services.worker.task import Done, Task

ERROR_CHARACTERS: Final = 500
# What must not stay in the database for a week: what a mail said, and how a payment was authorised.
_UNSTORED: Final = frozenset({"body", "method_token", "settle"})


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier deliveries of the task came to: `status` is `running`, `retrying`, `succeeded` or `dead`."""

    status: str
    error: str | None

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do but to acknowledge."""
        return self.status in ("succeeded", "dead")


COLUMNS: Final = ("task_id", "type", "status", "attempts", "payload", "created_at", "updated_at", "slot", "ver")


def running_row(task: Task, now: datetime) -> tuple[Any, ...]:
    """The values of COLUMNS for a task whose first try begins."""
    stored = {name: value for name, value in task.payload.items() if name not in _UNSTORED}
    at = (naive(task.created_at), naive(now), slot_of_task(task), clock_version(now))
    return (task.id, task.type, "running", task.attempt, json.dumps(stored), *at)


def slot_of_task(task: Task) -> int:
    """The slot of its user, else of itself."""
    return slot_of(str(task.payload.get("user_id") or task.id))


def naive(moment: datetime) -> datetime:
    """The moment as DATETIME(6) takes it: UTC without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


async def begin(tx: Connection, task: Task, now: datetime) -> Earlier | None:
    """Show the task as running unless it has ended; returns what was found, None for one that is begun here."""
    if await _insert(tx, task, now):
        return None
    earlier = await _earlier(tx, task)
    if earlier is None or not earlier.ended:
        await show_running(tx, task, now)
    return earlier


async def show_running(tx: Connection, task: Task, now: datetime) -> None:
    """Show that another try of the task has begun, unless it has ended."""
    await _update(tx, task, now, "running")


async def take_inbox(tx: Connection, task: Task, now: datetime) -> bool:
    """Claim the task's one effect; False if it was had before. Waits for another transaction that is at it."""
    try:
        await tx.execute(
            "INSERT INTO inbox (task_id, done_at, slot, ver) VALUES (%s, %s, %s, %s)",
            (task.id, naive(now), slot_of_task(task), clock_version(now)),
        )
    except Exception as error:
        if meaning(error) is Meaning.DUPLICATE:
            return False
        raise
    return True


async def dead_end(tx: Connection, task: Task) -> Done | None:
    """How a COMMIT of unknown outcome has ended the task, if as dead: the letter of that is still to be written."""
    earlier = await _earlier(tx, task)
    return None if earlier is None or earlier.status != "dead" else Done(dead=earlier.error)


async def finish(tx: Connection, task: Task, done: Done, now: datetime) -> bool:
    """Record how the effect's transaction ends the task; False if the task has ended: then it must not commit."""
    return await _update(tx, task, now, done.status, result=done.result, error=done.dead, finished=True)


async def note_retry(tx: Connection, task: Task, error: str, now: datetime) -> None:
    """Show that the task waits for another try, unless it has ended: then that try finds out."""
    await _update(tx, task, now, "retrying", error=error)


async def note_dead(tx: Connection, task: Task, error: str, now: datetime) -> bool:
    """Record that the task is given up, unless another delivery has ended it; returns whether it is dead now."""
    earlier = None if await _insert(tx, task, now) else await _earlier(tx, task)
    if earlier is None or not earlier.ended:
        return await _update(tx, task, now, "dead", error=error, finished=True)
    return earlier.status == "dead"


async def take_up(tx: Connection, task_ids: Sequence[str], now: datetime) -> set[str]:
    """Let dead tasks be tried again, for an operator; returns those of `task_ids` that have succeeded."""
    where = f"WHERE task_id IN ({marks(len(task_ids))})"
    found = await tx.fetch_all(
        f"SELECT task_id, status FROM tasks FORCE INDEX (PRIMARY) {where} ORDER BY task_id FOR UPDATE",  # noqa: S608
        task_ids,
    )
    await tx.execute(
        "UPDATE tasks FORCE INDEX (PRIMARY) SET status = 'retrying', updated_at = %s, finished_at = NULL,"  # noqa: S608
        f" ver = GREATEST(ver + 1, %s) {where} AND status = 'dead'",
        (naive(now), clock_version(now), *task_ids),
    )
    return {row["task_id"] for row in found if row["status"] == "succeeded"}


async def _earlier(tx: Connection, task: Task) -> Earlier | None:
    row = await tx.fetch_one("SELECT status, error FROM tasks WHERE task_id = %s FOR UPDATE", (task.id,))
    return None if row is None else Earlier(row["status"], row["error"])


async def _insert(tx: Connection, task: Task, now: datetime) -> bool:
    """Add the row; False where it exists. One statement, because two deliveries of a task may begin at once."""
    changed = await tx.execute(
        f"INSERT INTO tasks ({', '.join(COLUMNS)}) VALUES ({marks(len(COLUMNS))})"  # noqa: S608 - names and marks only
        " ON DUPLICATE KEY UPDATE task_id = tasks.task_id",
        running_row(task, now),
    )
    return changed == 1


async def _update(
    tx: Connection,
    task: Task,
    now: datetime,
    status: str,
    *,
    result: dict[str, Any] | None = None,
    error: str | None = None,
    finished: bool = False,
) -> bool:
    """Whether there was a row to change: one of a task that has not ended."""
    changed = await tx.execute(
        "UPDATE tasks SET status = %s, attempts = GREATEST(attempts, %s), result = %s, error = %s, updated_at = %s,"
        " finished_at = %s, ver = GREATEST(ver + 1, %s) WHERE task_id = %s AND status NOT IN ('succeeded', 'dead')",
        (
            status,
            task.attempt,
            None if result is None else json.dumps(result),
            None if error is None else error[:ERROR_CHARACTERS],
            naive(now),
            naive(now) if finished else None,
            clock_version(now),
            task.id,
        ),
    )
    return changed == 1
