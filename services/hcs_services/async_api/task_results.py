"""What became of a task, and its result: pure over what the stores say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from hcs_services.async_api.acceptance import queued_document
from hcs_services.identifiers import TaskId, parse_task_id
from hcs_services.models import task_document
from hcs_services.object_store import StoreRefused, StoreUnavailable
from hcs_services.problem import Problem, problem

KEPT: Final = timedelta(days=7)
CSV_TYPE: Final = "text/csv; charset=utf-8"


class Tasks(Protocol):
    """Rows of tasks and reports."""

    async def task(self, task_id: str) -> dict[str, Any] | None:
        """The task's row."""

    async def report(self, task_id: str) -> str | None:
        """A report's CSV kept in the database."""


class Objects(Protocol):
    """The object store."""

    async def get(self, key: str) -> bytes | None:
        """An object's bytes."""


@dataclass(frozen=True, slots=True)
class Result:
    """A result as it is answered."""

    content: bytes
    media_type: str


class TaskResults:
    """Answers about tasks by id. An id that no store knows yet is `queued`: it was signed here, so it was given out."""

    def __init__(
        self,
        tasks: Tasks,
        objects: Objects | None,
        signing_key: Callable[[], bytes],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tasks = tasks
        self._objects = objects
        self._signing_key = signing_key
        self._now = clock

    async def task(self, task_id: str) -> dict[str, Any]:
        """The task's document. Raises Problem (404), DatabaseFailure."""
        parsed, row = await self._look(task_id)
        if row is None:
            return queued_document(task_id, parsed.type, parsed.created_at)
        return task_document({**row, "created_at": parsed.created_at})

    async def result(self, task_id: str) -> Result:
        """The report or the manifest. Raises Problem (404, 409, 503), DatabaseFailure."""
        parsed, row = await self._look(task_id)
        if parsed.type not in ("generate_report", "sync_data"):
            raise problem("result-not-found", f"A task of type {parsed.type} has no result.")
        if row is None or row["status"] not in ("succeeded", "dead"):
            raise problem("not-finished", "The task is not finished.", retry_after=1)
        if row["status"] == "dead":
            raise problem("task-dead", f"The task failed for good: {row['error'] or 'no reason recorded'}.")
        if parsed.type == "sync_data":
            return Result(json.dumps(row["result"]).encode(), "application/json")
        return Result(await self._report(task_id, row["result"] or {}), CSV_TYPE)

    async def _look(self, task_id: str) -> tuple[TaskId, dict[str, Any] | None]:
        parsed = parse_task_id(self._signing_key(), task_id)
        row = await self._tasks.task(task_id) if parsed is not None else None
        if parsed is None or (row is None and parsed.created_at < self._now() - KEPT):
            raise problem("task-not-found", "There is no such task.")
        return parsed, row

    async def _report(self, task_id: str, result: dict[str, Any]) -> bytes:
        key = result.get("object")
        if key is None:
            content = await self._tasks.report(task_id)
            if content is None:
                raise _gone()
            return content.encode()
        if self._objects is None:
            raise problem(
                "object-store-not-configured", "The report is in an object store that is not configured here."
            )
        try:
            stored = await self._objects.get(key)
        except (StoreUnavailable, StoreRefused) as error:
            raise problem("upstream-unavailable", f"{error}.", retry_after=2) from error
        if stored is None:
            raise _gone()
        return stored


def _gone() -> Problem:
    return problem("result-not-found", "The task's result is no longer kept.")
