"""Waiting for what becomes true, with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.slack import SLACK


async def eventually(what: str, check: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Polls until the check says yes; fails after `seconds` × SLACK."""
    until = time.monotonic() + seconds * SLACK
    while not await check():
        assert time.monotonic() < until, f"not in time: {what}"
        await asyncio.sleep(0.05)
