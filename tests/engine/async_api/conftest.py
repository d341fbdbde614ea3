"""The async API, a worker and the samples over real engines, and an HTTP client for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp
import pytest
from tests.engine.async_api.calls import Calls
from tests.engine.worker.task_stack import Process, TaskStack


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
