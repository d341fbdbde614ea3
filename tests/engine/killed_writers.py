"""Writers as the write API's are: a commit, and then a put into the cache; some of them are killed on the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any, Generic, TypeVar

DEATHS = BEFORE_COMMIT, BEFORE_PUT, IN_PUT = "before its commit", "before its put", "in its put"
State = TypeVar("State")


class Writers(Generic[State]):
    """`killed` counts those that were, by where; nearly one in three is to be."""

    def __init__(
        self,
        random: Random,
        commit: Callable[[str], Coroutine[Any, Any, State]],
        put: Callable[[str, State], Awaitable[None]],
    ) -> None:
        self.killed: Counter[str] = Counter()
        self._random, self._commit, self._put = random, commit, put
        self._commits: list[asyncio.Task[State]] = []

    async def write(self, key: str) -> None:
        """One write, committed once: whose writer died too early asks again."""
        dies = self._random.choice(DEATHS) if self._random.random() < 0.3 else None
        while not await self._written(key, dies):
            dies = None

    async def settle(self) -> None:
        """Wait for the commits whose writers are dead; raises what one raised."""
        await asyncio.gather(*self._commits)

    async def pause(self) -> None:
        """A delay of whoever takes part in the race."""
        await asyncio.sleep(self._random.choice((0, 0, 0.001, 0.005, 0.05, 0.3)))

    async def _written(self, key: str, dies: str | None) -> bool:
        """A writer's life; whether there was a commit in it."""
        committed = False

        async def life() -> None:
            nonlocal committed
            self._mortal(dies, BEFORE_COMMIT)
            await asyncio.sleep(0.001)
            committed = True
            self._commits.append(asyncio.create_task(self._commit(key)))
            state = await asyncio.shield(self._commits[-1])  # nobody takes a COMMIT back by dying
            self._mortal(dies, BEFORE_PUT)
            await self.pause()
            self._mortal(dies, IN_PUT)
            await self._put(key, state)

        writer = asyncio.create_task(life())
        await asyncio.wait([writer])
        if writer.cancelled():
            self.killed[str(dies)] += 1
        else:
            writer.result()
        return committed

    def _mortal(self, dies: str | None, where: str) -> None:
        """Kills the writer where it waits next, if it is to die there."""
        writer = asyncio.current_task()
        assert writer is not None
        if dies == where:
            asyncio.get_running_loop().call_later(self._random.choice((0, 0, 0.0003)), writer.cancel)
