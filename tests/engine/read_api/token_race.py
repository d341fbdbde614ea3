"""Readers with tokens against writers: whoever has a token never sees an older state, whichever level answers.

Writers are killed before their commit, before their put or in it; the outbox repeats every put later, out of order. What
befalls the servers meanwhile is for the test to say.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import structlog
from tests.engine.killed_writers import DEATHS, Writers
from tests.engine.read_api.conftest import Api, eventually

from hcs_services import tokens
from hcs_services.cache import order_change, order_key

WRITES, READERS, READS_A_WRITE = 5, 8, 50


class Known(NamedTuple):
    """An order's last state that a client was told, and its tokens: one that names the order, and one that does not."""

    version: int
    named: str
    unnamed: str


class Race:
    """One run: every so many reads there is a write, unless as many as there are readers wait for their commits."""

    def __init__(self, api: Api, reads: int) -> None:
        self.api, self.reads = api, reads
        self.random = random.Random(7)
        self.writers = Writers(self.random, self.commit, self.put)
        self.session = asyncio.Lock()
        self.committing = 0
        self.known: dict[str, Known] = {}
        self.written: Counter[str] = Counter()
        self.checked: Counter[str] = Counter()
        self.refused = 0
        self.older: list[Any] = []
        self.under_way: list[asyncio.Task[None]] = []
        self.over = asyncio.Event()

    async def begin(self) -> None:
        for _ in range(self.reads // READS_A_WRITE // WRITES):
            self.learn(*await asyncio.to_thread(self.api.order, "race"))
        self.hot = deque(self.known, maxlen=READERS)
        self.unwritten = deque([*self.known] * WRITES)
        self.random.shuffle(self.unwritten)

    def learn(self, order_id: str, document: dict[str, Any], named: str) -> None:
        key = self.api.settings.signing_key("consistency")
        unnamed = replace(tokens.decode(key, named), entities={}).encode(key)
        self.known[order_id] = Known(document["version"], named, unnamed)

    async def commit(self, order_id: str) -> dict[str, Any]:
        status = self.random.choice(["PENDING", "PAID"])
        self.committing += 1
        async with self.session:
            _, document, named = await asyncio.to_thread(self.api.order, "race", order_id, status)
            self.learn(order_id, document, named)
        self.committing -= 1
        self.written[order_id] += 1
        self.hot.append(order_id)
        self.under_way.append(asyncio.create_task(self.relay(order_id, document)))
        return document

    async def put(self, _order_id: str, document: dict[str, Any]) -> None:
        await self.api.cache.put_many([order_change(document)])

    async def relay(self, order_id: str, document: dict[str, Any]) -> None:
        """As the outbox does: late, and again until Redis has dealt with it."""
        await asyncio.sleep(self.random.uniform(0.02, 1.0))
        for _ in range(400):
            if await self.api.cache.put_many([order_change(document)]):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"Redis takes no put of {order_id}")

    async def read(self) -> None:
        while (self.checked.total() < self.reads or self.unwritten) and not self.older:
            order_id = self.random.choice(self.hot if self.random.random() < 0.5 else [*self.known])
            known = self.known[order_id]
            token = known.named if self.random.random() < 0.8 else known.unnamed
            got = await self.api.get(f"/orders/{order_id}", x_consistency_token=token)
            if got.status == 503:  # it may be refused, where the database is too busy
                self.refused += 1
            elif got.status != 200 or got.json()["version"] < known.version:
                self.older.append((got.status, got.body, known.version))
            else:
                self.checked[got.headers["x-data-source"]] += 1
                self.count()
            await asyncio.sleep(0)

    def count(self) -> None:
        if self.checked.total() % READS_A_WRITE == 0 and self.unwritten and self.committing < READERS:
            write = self.writers.write(self.unwritten.popleft())
            self.under_way.append(asyncio.create_task(write))

    async def run(self, disturb: Callable[[Race], Coroutine[None, None, None]]) -> None:
        """To its end, and that of what befalls the servers."""
        await self.begin()
        started = time.monotonic()
        with quiet():
            async with asyncio.TaskGroup() as group:
                group.create_task(disturb(self))
                await asyncio.gather(*(self.read() for _ in range(READERS)))
                self.over.set()
            while any(not task.done() for task in self.under_way):  # a write ends with one more: its repetition
                await asyncio.gather(*self.under_way)
        await self.writers.settle()
        told = f"{dict(self.checked)}, {self.refused} refused, writers killed: {dict(self.writers.killed)}"
        print(
            f"\n{self.checked.total()} reads, {self.written.total()} writes of {len(self.known)} orders:"
            f" {time.monotonic() - started:.0f} s; {told}"
        )

    async def check(self) -> None:
        """That nobody with a token saw an older state, and that in the end nobody does at all."""
        assert not self.older, self.older
        stale = await self.stale()
        assert not stale, stale
        with quiet():
            await eventually("no reader without a token is left with an older state", self.all_read_as_they_are)
        assert self.written == dict.fromkeys(self.known, WRITES)
        assert self.checked.total() >= self.reads
        assert all(self.writers.killed[where] > 0 for where in DEATHS)

    async def stale(self) -> list[str]:
        """The orders whose cached state is not the last one."""
        held = {order_id: await self.api.cache.get(order_key(order_id)) for order_id in self.known}
        return [it for it, entry in held.items() if entry is not None and entry.version != self.known[it].version]

    async def all_read_as_they_are(self) -> bool:
        """Without a token, once nothing is written any more."""
        seen = {order_id: (await self.api.get(f"/orders/{order_id}")).json() for order_id in self.known}
        return all(seen[order_id]["version"] == known.version for order_id, known in self.known.items())


@contextmanager
def quiet() -> Iterator[None]:
    """No line for each read."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        yield
    finally:
        structlog.configure(**before)
