"""SQL of a group of deliveries, on one open transaction: a statement for each table, whatever the group's size.

The rows of each table are locked in the order of their ids. Two groups wait for each other in a circle only over what
effects lock, or where they share two tasks; then one of them is undone, and each of it goes on alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from hcs_services.database import many_rows
from hcs_services.database.connection import Connection
from hcs_services.database.many_rows import marks
from hcs_services.database.versions import clock_version
from hcs_services.worker import group_plan, task_rows
from hcs_services.worker.task import Done, Task
from hcs_services.worker.task_rows import Earlier, naive


class TaskEnded(Exception):
    """One of the tasks was given up meanwhile: it must have no effect, so the transaction must not commit."""


async def begin(tx: Connection, tasks: Sequence[Task], now: datetime) -> tuple[Earlier | None, ...]:
    """Show the tasks as running, but those that have ended; returns what each found, None for one begun here."""
    found = await tx.fetch_all(
        # FORCE INDEX: a scan of a small table would wait for tasks that are none of the group's
        "SELECT task_id, status, error FROM tasks FORCE INDEX (PRIMARY)"  # noqa: S608 - marks only
        f" WHERE task_id IN ({marks(len(tasks))}) ORDER BY task_id FOR UPDATE",
        [task.id for task in tasks],
    )
    rows = {row["task_id"]: Earlier(row["status"], row["error"]) for row in found}
    begun = group_plan.begin(tasks, rows)
    if begun.added:
        values = (task_rows.running_row(task, now) for task in begun.added)
        await many_rows.insert(tx, "tasks", task_rows.COLUMNS, values)
    for task in begun.again:
        await task_rows.show_running(tx, task, now)
    return begun.found


async def take_inbox(tx: Connection, tasks: Sequence[Task], now: datetime) -> None:
    """Claim the one effect of each task; fails as a whole (1062) if one was had before."""
    at, ver = naive(now), clock_version(now)
    rows = ((task.id, at, task_rows.slot_of_task(task), ver) for task in sorted(tasks, key=lambda task: task.id))
    await many_rows.insert(tx, "inbox", ("task_id", "done_at", "slot", "ver"), rows)


async def finish(tx: Connection, ends: Sequence[tuple[Task, Done]], now: datetime) -> None:
    """Record how each task ends; raises TaskEnded if one of them had ended before."""
    by_task = f"CASE task_id{' WHEN %s THEN %s' * len(ends)} END"
    columns = (
        [(task.id, done.status) for task, done in ends],
        [(task.id, None if done.result is None else json.dumps(done.result)) for task, done in ends],
        [(task.id, None if done.dead is None else done.dead[: task_rows.ERROR_CHARACTERS]) for task, done in ends],
        [(task.id, task.attempt) for task, _ in ends],
    )
    changed = await tx.execute(
        "UPDATE tasks FORCE INDEX (PRIMARY)"  # noqa: S608 - marks only
        f" SET status = {by_task}, result = {by_task}, error = {by_task}, attempts = GREATEST(attempts, {by_task}),"
        " updated_at = %s, finished_at = %s, ver = GREATEST(ver + 1, %s)"
        f" WHERE task_id IN ({marks(len(ends))}) AND status NOT IN ('succeeded', 'dead')",
        [
            *(part for column in columns for pair in column for part in pair),
            *(naive(now), naive(now), clock_version(now)),
            *(task.id for task, _ in ends),
        ],
    )
    if changed != len(ends):
        raise TaskEnded(f"{len(ends) - changed} of {len(ends)} tasks had ended")
