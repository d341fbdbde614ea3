"""What became of a task: a replica's word is final or not taken, and a server that dies is an outage."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from asyncmy.errors import InterfaceError, OperationalError

from hcs_services import request_context
from hcs_services.async_api.repository import TaskRows
from hcs_services.database.errors import DatabaseUnavailable, DeadlinePassed, NoReader, StatementTimeout

pytestmark = pytest.mark.unit

LOST = [OperationalError(2013, "Lost connection"), InterfaceError(0, "closed"), StatementTimeout(1), OSError("reset")]
RUNNING = {"task_id": "t", "status": "running", "result": None}
DONE = {"task_id": "t", "status": "succeeded", "result": '{"objects": []}'}


class Pool:
    """A pool whose connections answer one thing, or fail with it."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Pool]:
        yield self

    reader = connection

    async def fetch_one(self, _sql: str, _arguments: Any = ()) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer and dict(self._answer)


def rows(replica: Any, primary: Any) -> TaskRows:
    return TaskRows(cast("Any", Pool(primary)), cast("Any", Pool(replica)))


async def test_a_replicas_final_word_is_taken() -> None:
    assert await rows(DONE, AssertionError("not asked")).task("t") == {**DONE, "result": {"objects": []}}


@pytest.mark.parametrize("behind", [RUNNING, None, NoReader("none"), *LOST])
async def test_anything_else_is_asked_of_the_primary(behind: Any) -> None:
    found = await rows(behind, DONE).task("t")
    assert found is not None
    assert found["status"] == "succeeded"


@pytest.mark.parametrize("error", LOST)
async def test_a_primary_that_dies_under_the_question_is_an_outage(error: Exception) -> None:
    with pytest.raises(DatabaseUnavailable):
        await rows(None, error).task("t")
    with pytest.raises(DatabaseUnavailable):
        await rows(NoReader("none"), error).report("t")


async def test_a_caller_whose_time_ends_during_the_question_is_told_so() -> None:
    request_context.set_deadline(time.monotonic())
    with pytest.raises(DeadlinePassed):
        await rows(None, StatementTimeout(1)).task("t")
    request_context.set_deadline(None)
