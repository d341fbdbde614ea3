"""Loads that are asked for at the same time go together: what a statement and a lease cost is paid once for many.

Nobody waits while fewer than `ABREAST` groups are under way. Who comes later leaves when one of those is back, or when
the first who waits has done so for `PATIENCE` seconds: a server that hangs holds up only those who are with it.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable, Hashable
from itertools import chain
from typing import Generic, TypeVar

from hcs_services import request_context

ABREAST = 2
PATIENCE = 0.01
SIZE = 32
"""How many go together at most: one statement for all of them has to stay a short one."""

Kind = TypeVar("Kind", bound=Hashable)
Item = TypeVar("Item", bound=Hashable)
Outcome = TypeVar("Outcome")


class Together(Generic[Kind, Item, Outcome]):
    """`load` tells the outcome of each of the items, all of one kind, once it knows it; who asks meanwhile shares it.

    A group is a task of its own with a time of its own (`seconds`): a caller who gives up takes nobody else down.
    """

    def __init__(
        self, load: Callable[[Kind, list[Item], Callable[[Item, Outcome], None]], Awaitable[None]], seconds: float
    ) -> None:
        self._load = load
        self._seconds = seconds
        self._asked: dict[tuple[Kind, Item], list[asyncio.Future[Outcome]]] = {}
        self._waiting: dict[Kind, list[Item]] = {}
        self._departure: asyncio.Handle | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def ask(self, kind: Kind, item: Item) -> Outcome:
        """The outcome of the load of this item that is asked for already, or of a new one."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome] = loop.create_future()
        asked = self._asked.get((kind, item))
        if asked is None:
            asked = self._asked[kind, item] = []
            self._waiting.setdefault(kind, []).append(item)
            if self._departure is None:
                wait = PATIENCE if len(self._under_way) >= ABREAST else 0
                self._departure = loop.call_later(wait, self._depart)
        asked.append(answer)
        return await answer

    async def close(self) -> None:
        """Cancel what is under way and who waits for it."""
        if self._departure is not None:
            self._departure.cancel()
        for group in self._under_way:
            group.cancel()
        for answer in chain.from_iterable(self._asked.values()):
            answer.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _depart(self) -> None:
        """Let all who wait go, as many groups as they are."""
        if self._departure is not None:
            self._departure.cancel()
            self._departure = None
        waiting, self._waiting = self._waiting, {}
        for kind, items in waiting.items():
            for first in range(0, len(items), SIZE):
                work = self._go(kind, items[first : first + SIZE])
                # a context of its own: the group is no one request's, neither its trace nor its deadline
                group = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
                self._under_way.add(group)
                group.add_done_callback(self._back)

    async def _go(self, kind: Kind, items: list[Item]) -> None:
        request_context.set_deadline(time.monotonic() + self._seconds)
        untold = dict.fromkeys(items)

        def tell(item: Item, outcome: Outcome) -> None:
            del untold[item]
            for answer in self._answers(kind, item):
                answer.set_result(outcome)

        try:
            await self._load(kind, items, tell)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is everybody's who is left
            for item in untold:
                for answer in self._answers(kind, item):
                    answer.set_exception(error)

    def _answers(self, kind: Kind, item: Item) -> list[asyncio.Future[Outcome]]:
        """Those who are still there to be answered; from now on the item is asked for anew."""
        return [answer for answer in self._asked.pop((kind, item)) if not answer.done()]

    def _back(self, group: asyncio.Task[None]) -> None:
        self._under_way.discard(group)
        if self._waiting and len(self._under_way) < ABREAST:
            self._depart()
