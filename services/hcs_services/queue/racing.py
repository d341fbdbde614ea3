"""Opening a session at whichever of a broker's nodes answers first.

Each node is tried in turn, in an order of its own for each client, so that connections spread over the nodes. The next
one is tried as soon as one refuses, or has not answered for a moment: a node that is gone may take until the
time-out to say so (after RFC 8305, "Happy Eyeballs").
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

HEAD_START = 0.5
"""Seconds that one node has to answer before the next one is asked, too."""


class Closing(Protocol):
    """What is opened, and must be closed where it is not wanted."""

    async def close(self) -> None:
        """Close it."""


T = TypeVar("T", bound=Closing)


async def first_open(
    addresses: Sequence[str],
    open_at: Callable[[str], Awaitable[T]],
    *,
    head_start: float = HEAD_START,
    shuffle: Callable[[list[str]], None] = random.shuffle,
) -> T:
    """Return what was opened first; what else opens meanwhile is closed. Raises the last failure if all fail."""
    left = list(addresses)
    shuffle(left)
    running: set[asyncio.Task[T]] = set()
    won: asyncio.Task[T] | None = None
    failure: BaseException = ValueError("no address to open at")
    try:
        while won is None and (left or running):
            if left:
                running.add(asyncio.ensure_future(open_at(left.pop(0))))
            ended, _ = await asyncio.wait(
                running, timeout=head_start if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in ended:
                error = task.exception()
                if error is not None:
                    running.discard(task)
                    failure = error
                else:
                    won = won or task
    finally:
        await _drop(running - {won} if won else running)
    if won is None:
        raise failure
    return won.result()


async def _drop(tasks: set[asyncio.Task[T]]) -> None:
    for task in tasks:
        task.cancel()
    for found in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(found, BaseException):
            await found.close()
