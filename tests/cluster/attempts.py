"""A write under its key, sent until there is a sure answer, and every answer on the way that must never be."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

FRESH = {"Cache-Control": "no-cache"}
_TIMEOUT = aiohttp.ClientTimeout(total=15)
_NO_ANSWER = (aiohttp.ClientError, TimeoutError, ValueError)


@dataclass
class Attempt:
    """One write: what was asked, under which key, and what came of it. A DELETE cancels the order of its path."""

    path: str
    body: dict[str, Any] = field(default_factory=dict)
    method: str = "POST"
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    at: float = 0.0
    status: int = 0  # 0: no answer
    answer: dict[str, Any] = field(default_factory=dict)
    token: str = ""  # for reads that must see it
    bugs: list[str] = field(default_factory=list)  # every answer of 500, and a read that did not see it
    reads_failed: int = 0  # reads of what was acknowledged that got no answer or a 5xx

    @property
    def settled(self) -> bool:
        """Whether the answer says for sure what happened."""
        return 200 <= self.status < 500 and self.status not in {408, 409, 412, 429}

    @property
    def acknowledged(self) -> bool:
        """Whether the product promised to keep it."""
        return 200 <= self.status < 300 and (self.method == "POST" or self.answer["status"] == "CANCELLED")

    @property
    def refused(self) -> bool:
        """Whether the product said for sure that it did nothing."""
        return self.settled and not self.acknowledged


def oldest_acknowledged(waiting: deque[Attempt]) -> Attempt | None:
    """Takes the oldest that is acknowledged by now out of those that wait for it; none if none is. What was refused waits
    for nothing, and goes.
    """
    while waiting and waiting[0].refused:
        waiting.popleft()
    for index, attempt in enumerate(waiting):
        if attempt.acknowledged:
            del waiting[index]
            return attempt
    return None


async def send(http: aiohttp.ClientSession, gateway: str, attempt: Attempt) -> None:
    """Sends one attempt under its key and records the answer; no answer leaves status 0."""
    attempt.at = time.monotonic()
    url = f"{gateway}/api/v1{attempt.path}"
    try:
        if attempt.method == "DELETE":
            await _cancel(http, url, attempt)
        else:
            key = {"Idempotency-Key": attempt.key}
            attempt.status, attempt.answer, _ = await _call(http, "POST", url, attempt, headers=key, json=attempt.body)
    except _NO_ANSWER:
        attempt.status = 0


async def send_until_settled(http: aiohttp.ClientSession, gateway: str, attempt: Attempt) -> None:
    """Sends one attempt until there is a sure answer, as a client would that is told to come back: two minutes at most."""
    for _ in range(120):
        await send(http, gateway, attempt)
        if attempt.settled:
            return
        await asyncio.sleep(1)


async def read_back(http: aiohttp.ClientSession, gateway: str, attempt: Attempt) -> None:
    """Reads an acknowledged order with its token: it may be answered late or not at all, but never as unknown."""
    url, headers = f"{gateway}/api/v1/orders/{attempt.answer['order_id']}", {"X-Consistency-Token": attempt.token}
    status, answer = await _read(http, url, attempt, headers)
    if 400 <= status < 500 and status != 429:
        attempt.bugs.append(f"GET {url}: {status} {answer}")


async def ask_for_task(http: aiohttp.ClientSession, gateway: str, attempt: Attempt) -> None:
    """Asks what became of an accepted task; any answer will do but a 500."""
    await _read(http, f"{gateway}/api/v1/tasks/{attempt.answer['task_id']}", attempt, {})


async def _read(
    http: aiohttp.ClientSession, url: str, attempt: Attempt, headers: Mapping[str, str]
) -> tuple[int, dict[str, Any]]:
    """(status, JSON) of one read, (0, {}) without an answer; counts it as failed then, and after a 5xx."""
    status, answer = 0, dict[str, Any]()
    with suppress(*_NO_ANSWER):
        status, answer, _ = await _call(http, "GET", url, attempt, headers=headers)
    attempt.reads_failed += not 200 <= status < 500
    return status, answer


async def _cancel(http: aiohttp.ClientSession, url: str, attempt: Attempt) -> None:
    """Cancels an order that a fresh read shows as PAID, at that read's version. Any other state is the answer:
    CANCELLED, because a DELETE before this one had no answer, or PENDING, an order that is left alone.
    """
    status, order, version = await _call(http, "GET", url, attempt, headers=FRESH)
    if status == 200 and order["status"] == "PAID":
        status, order, _ = await _call(http, "DELETE", url, attempt, headers={"If-Match": version})
    attempt.status, attempt.answer = status, order


async def _call(
    http: aiohttp.ClientSession, method: str, url: str, attempt: Attempt, **options: Any
) -> tuple[int, dict[str, Any], str]:
    """(status, JSON, ETag) of one call; notes a 500, whatever its body."""
    async with http.request(method, url, timeout=_TIMEOUT, **options) as answer:
        if answer.status == 500:
            attempt.bugs.append(f"{method} {url}: {await answer.text()}")
        attempt.token = answer.headers.get("X-Consistency-Token", attempt.token)
        return answer.status, await answer.json(), answer.headers.get("ETag", "")
