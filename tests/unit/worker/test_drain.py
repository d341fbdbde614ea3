"""Drain: a pause with an end."""

from __future__ import annotations

import asyncio
import json

import pytest

from hcs_services.admin import AdminRequest
from hcs_services.problem import Problem
from hcs_services.worker.drain import Drain
from hcs_services.worker.intake import Intake

pytestmark = pytest.mark.unit


class Consuming:
    def __init__(self) -> None:
        self.paused = False
        self.resumed = asyncio.Event()

    async def pause(self) -> None:
        self.paused = True

    async def resume(self) -> None:
        self.paused = False
        self.resumed.set()


async def nothing(_delivery: object) -> None:
    return


@pytest.fixture
async def consuming() -> Consuming:
    return Consuming()


@pytest.fixture
async def drain(consuming: Consuming) -> Drain:
    return Drain(consuming, Intake(nothing, 1), lambda: "the-token")


def request(body: object, token: str = "the-token") -> AdminRequest:
    return AdminRequest({"authorization": f"Bearer {token}"}, json.dumps(body).encode())


async def test_a_drain_pauses_says_how_busy_it_is_and_ends_by_itself(drain: Drain, consuming: Consuming) -> None:
    status, state = await drain.drain_route(request({"ttl_seconds": 0.05}))
    assert (status, state) == (200, {"inflight": 0, "oldest_seconds": 0.0, "draining": True})
    async with asyncio.timeout(5):
        await consuming.resumed.wait()
    assert (await drain.inflight_route(request(None)))[1]["draining"] is False


async def test_a_further_drain_moves_the_end(drain: Drain, consuming: Consuming) -> None:
    await drain.drain_route(request({"ttl_seconds": 0.05}))
    await drain.drain_route(request({"ttl_seconds": 600}))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await consuming.resumed.wait()
    drain.cancel()


async def test_without_the_token_nothing_is_drained(drain: Drain, consuming: Consuming) -> None:
    with pytest.raises(Problem) as refused:
        await drain.drain_route(request({"ttl_seconds": 5}, token="another"))
    assert (refused.value.status, refused.value.slug) == (401, "unauthorized")
    assert not consuming.paused


@pytest.mark.parametrize("body", [{}, {"ttl_seconds": 0}, {"ttl_seconds": 601}, {"ttl_seconds": "5"}, [], "x"])
async def test_a_senseless_time_is_refused(drain: Drain, consuming: Consuming, body: object) -> None:
    with pytest.raises(Problem) as refused:
        await drain.drain_route(request(body))
    assert refused.value.status == 422
    assert not consuming.paused
