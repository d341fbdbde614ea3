"""What is answered about a task, from what the stores hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hcs_services.async_api.task_results import TaskResults
from hcs_services.identifiers import new_task_id
from hcs_services.object_store import StoreUnavailable
from hcs_services.problem import Problem

pytestmark = pytest.mark.unit

KEY = b"signing key"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Rows:
    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.reports: dict[str, str] = {}

    async def task(self, task_id: str) -> dict[str, Any] | None:
        return self.tasks.get(task_id)

    async def report(self, task_id: str) -> str | None:
        return self.reports.get(task_id)

    def add(self, task_type: str, status: str, result: dict[str, Any] | None = None, error: str | None = None) -> str:
        task_id = new_task_id(KEY, task_type, NOW)
        self.tasks[task_id] = {
            "task_id": task_id,
            "type": task_type,
            "status": status,
            "attempts": 2,
            "created_at": NOW.replace(tzinfo=None),
            "finished_at": NOW.replace(tzinfo=None) if status in ("succeeded", "dead") else None,
            "result": result,
            "error": error,
        }
        return task_id


class Objects:
    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        self._objects = objects

    async def get(self, key: str) -> bytes | None:
        if self._objects is None:
            raise StoreUnavailable("the object store answered 500")
        return self._objects.get(key)


def answers(rows: Rows, objects: Objects | None = None) -> TaskResults:
    return TaskResults(rows, objects, lambda: KEY, clock=lambda: NOW)


async def problem_of(results: TaskResults, task_id: str) -> tuple[int, str]:
    with pytest.raises(Problem) as refused:
        await results.result(task_id)
    return refused.value.status, refused.value.slug


async def test_an_id_that_no_store_knows_yet_is_queued() -> None:
    task = await answers(Rows()).task(new_task_id(KEY, "send_email", NOW - timedelta(days=6)))
    assert (task["status"], task["attempts"], task["type"]) == ("queued", 0, "send_email")


@pytest.mark.parametrize(
    "task_id",
    ["", "x" * 40, new_task_id(b"another", "send_email", NOW), new_task_id(KEY, "send_email", NOW - timedelta(days=8))],
    ids=["empty", "malformed", "of another stack", "forgotten"],
)
async def test_an_id_that_is_malformed_foreign_or_forgotten_is_not_found(task_id: str) -> None:
    with pytest.raises(Problem) as refused:
        await answers(Rows()).task(task_id)
    assert (refused.value.status, refused.value.slug) == (404, "task-not-found")


@pytest.mark.parametrize("status", ["running", "retrying", "succeeded", "dead"])
async def test_a_task_is_as_its_row_says(status: str) -> None:
    rows = Rows()
    task = await answers(rows).task(rows.add("send_email", status, error="why"))
    assert (task["status"], task["attempts"], task["error"]) == (status, 2, "why")
    assert ("finished_at" in task) == (status in ("succeeded", "dead"))


async def test_a_report_comes_from_the_database_or_from_the_store_it_was_put_in() -> None:
    rows = Rows()
    kept, put = rows.add("generate_report", "succeeded", {}), rows.add("generate_report", "succeeded", {"object": "k"})
    rows.reports[kept] = "a,b\r\n"
    results = answers(rows, Objects({"k": b"c,d\r\n"}))
    assert [(await results.result(task_id)).content for task_id in (kept, put)] == [b"a,b\r\n", b"c,d\r\n"]


async def test_a_sync_is_answered_by_its_manifest() -> None:
    rows, manifest = Rows(), {"objects": [], "since": "s", "until": "u"}
    result = await answers(rows).result(rows.add("sync_data", "succeeded", manifest))
    assert (json.loads(result.content), result.media_type) == (manifest, "application/json")


@pytest.mark.parametrize("task_type", ["send_email", "process_payment"])
async def test_a_type_without_a_result_has_none_whatever_its_state(task_type: str) -> None:
    rows = Rows()
    for task_id in (rows.add(task_type, "succeeded"), new_task_id(KEY, task_type, NOW)):
        assert await problem_of(answers(rows), task_id) == (404, "result-not-found")


async def test_a_result_is_not_there_before_its_time_nor_after_a_failure() -> None:
    rows = Rows()
    unknown = new_task_id(KEY, "generate_report", NOW)
    assert await problem_of(answers(rows), unknown) == (409, "not-finished")
    assert await problem_of(answers(rows), rows.add("generate_report", "retrying")) == (409, "not-finished")
    assert await problem_of(answers(rows), rows.add("generate_report", "dead")) == (409, "task-dead")


async def test_a_store_that_is_away_missing_or_empty_is_told_apart() -> None:
    rows = Rows()
    task_id = rows.add("generate_report", "succeeded", {"object": "k"})
    assert await problem_of(answers(rows, Objects(None)), task_id) == (503, "upstream-unavailable")
    assert await problem_of(answers(rows, None), task_id) == (503, "object-store-not-configured")
    assert await problem_of(answers(rows, Objects({})), task_id) == (404, "result-not-found")
