"""A read of what was acknowledged that gets no answer or a 5xx is counted; one that shows it unknown is a bug."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from tests.cluster.attempts import Attempt, ask_for_task, read_back

pytestmark = pytest.mark.unit

Read = Callable[[aiohttp.ClientSession, str, Attempt], Awaitable[None]]


async def reads(read: Read, status: int | None) -> Attempt:
    """What one read leaves behind of a server that answers so; with None nobody listens."""
    attempt = Attempt("/orders", status=201, answer={"order_id": "7", "task_id": "8"})
    runner = web.ServerRunner(web.Server(answer_with(status or 0)))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gateway = site.name
    if status is None:
        await runner.cleanup()
    async with aiohttp.ClientSession() as http:
        await read(http, gateway, attempt)
    await runner.cleanup()
    return attempt


def answer_with(status: int) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({}, status=status)

    return answer


@pytest.mark.parametrize("read", [read_back, ask_for_task])
@pytest.mark.parametrize(("status", "failed"), [(None, 1), (503, 1), (500, 1), (200, 0), (429, 0)])
def test_a_read_without_an_answer_or_with_a_5xx_is_counted(read: Read, status: int | None, failed: int) -> None:
    assert asyncio.run(reads(read, status)).reads_failed == failed


def test_an_acknowledged_order_that_is_unknown_is_a_bug_and_no_failed_read() -> None:
    attempt = asyncio.run(reads(read_back, 404))
    assert (attempt.reads_failed, len(attempt.bugs)) == (0, 1)
