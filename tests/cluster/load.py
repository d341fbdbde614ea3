"""Bounded loads for the cluster rung: every loop ends by count or by time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
from tests.cluster.attempts import Attempt, send_until_settled

IN_FLIGHT = 32


async def post_all(gateway: str, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Sends each call under a key until it is acknowledged, as a client would that is told to come back: for at most
    two minutes each. Answers the bodies in order.
    """
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(http: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
        attempt = Attempt(path, body)
        async with gate:
            await send_until_settled(http, gateway, attempt)
        assert attempt.acknowledged, attempt
        return attempt.answer

    async with aiohttp.ClientSession() as http:
        return await asyncio.gather(*(one(http, path, body) for path, body in calls))


async def read_keys(
    gateway: str,
    path: str,
    *,
    keys: int,
    rate: float,
    seconds: float,
    until: Callable[[], bool] = lambda: False,
) -> int:
    """Reads keys at random at a rate per second, until a condition (looked at every 5 s) or the time is reached."""
    end, sent, looked = time.monotonic() + seconds, 0, time.monotonic()
    gate = asyncio.Semaphore(IN_FLIGHT)
    choice = random.Random(1)

    async def one(http: aiohttp.ClientSession) -> None:
        async with http.get(f"{gateway}/api/v1{path.format(choice.randrange(keys))}") as answer:
            await answer.read()
        gate.release()

    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        while time.monotonic() < end:
            await gate.acquire()
            group.create_task(one(http))
            sent += 1
            await asyncio.sleep(1 / rate)
            if time.monotonic() - looked > 5:
                looked = time.monotonic()
                if await asyncio.to_thread(until):
                    break
    return sent
