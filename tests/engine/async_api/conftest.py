"""The async API, a worker and the samples over real engines, and an HTTP client for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import aiohttp
import pytest
from tests.engine.async_api.calls import Calls
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.worker.task_stack import Process, TaskStack

from hcs_services.identifiers import new_order_id, public_order_id, slot_of


@pytest.fixture(scope="module")
def task_stack(tier_environment: Callable[[str], dict[str, str]]) -> Iterator[TaskStack]:
    stack = TaskStack(tier_environment)
    stack.start_samples()
    yield stack
    stack.close()


@pytest.fixture(scope="module")
def async_api(task_stack: TaskStack) -> Process:
    return task_stack.tier("async-api")


@pytest.fixture
async def calls(async_api: Process, task_stack: TaskStack) -> AsyncIterator[Calls]:
    async with aiohttp.ClientSession() as http:
        yield Calls(http, async_api, task_stack)


@pytest.fixture
def worker(task_stack: TaskStack) -> Process:
    """A worker, perhaps one of several that earlier tests have left."""
    alive = [process for process in task_stack.workers if process.popen.poll() is None]
    return alive[0] if alive else task_stack.tier("worker")


@pytest.fixture
def alone(task_stack: TaskStack) -> Iterator[TaskStack]:
    """The stack without any worker but those that the test starts."""
    task_stack.kill_workers()
    yield task_stack
    task_stack.kill_workers()


@pytest.fixture
def make_order(mysql_group: MysqlGroup) -> Callable[..., str]:
    """Writes an order's row, as the write API would; returns its public id."""

    def make(*, user: str = "ada", status: str = "PENDING", at: datetime | None = None) -> str:
        order_id, now = new_order_id(user, datetime.now(UTC)), (at or datetime.now(UTC)).replace(tzinfo=None)
        with mysql_group.connection("app") as connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO orders VALUES (%s, %s, 'book', 1, %s, %s, %s, %s, %s, %s)",
                (order_id, user, Decimal("19.90"), status, now, now, slot_of(user), 1),
            )
            connection.commit()
        return public_order_id(order_id)

    return make
