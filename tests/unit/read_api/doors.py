"""Two read APIs alike, FastAPI alone and with the fast door in front, that are asked the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.unit.read_api.servers import ORDER, Levels, order_row, product_row
from tests.unit.services.asgi import IDS, Fields, Seen, exchange

from hcs_services.read_api import app as read_app
from hcs_services.read_api.fast_reads import FastReads
from hcs_services.settings import Settings

GTID = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"


class Asked(NamedTuple):
    """One request, and how many seconds pass before it."""

    path: str
    method: str = "GET"
    query: bytes = b""
    fields: tuple[tuple[bytes, bytes], ...] = ()
    seconds: float = 0.0
    ids: Fields = IDS
    body: bytes = b""


class Door:
    """A read API; `passed` counts what went on to FastAPI through the fast door."""

    def __init__(self, folder: Path, *, fast: bool) -> None:
        self.reads = Levels().reads
        self.app = read_app.create(
            Settings(HCS_CREDENTIALS_DIR=folder, HCS_TIER="read-api"),
            self.reads,
            lambda: self.frozen,
            clock=lambda: self.levels.cache.now,
            front=self._front if fast else lambda inner, *_: inner,
        )
        self.renew()

    def renew(self) -> None:
        """New levels under the same application, which takes long to build."""
        self.passed, self.frozen, self.levels = 0, 0.0, Levels()
        rows = [order_row(7 + number, ORDER - number) for number in range(3)]
        self.levels.cluster.commit(*rows, product_row(8), product_row(9, "..."), gtid=GTID)
        vars(self.reads).clear()
        vars(self.reads).update(vars(self.levels.reads))

    def _front(self, inner: Any, *parts: Any) -> FastReads:
        async def counted(*call: Any) -> None:
            self.passed += 1
            await inner(*call)

        return FastReads(counted, *parts)

    async def ask(self, asked: Asked) -> Seen:
        """One request."""
        self.levels.pass_time(asked.seconds)
        came = {"type": "http.request", "body": asked.body, "more_body": False}
        return await exchange(
            self.app,
            asked.method,
            asked.path,
            query=asked.query,
            fields=asked.fields,
            ids=asked.ids,
            messages=[came],
        )


@dataclass(frozen=True)
class Doors:
    """FastAPI alone, and with the fast door in front."""

    slow: Door
    fast: Door

    async def ask(self, requests: list[Asked], prepare: Callable[[Door], None] = lambda _: None) -> list[Seen]:
        """Ask both, of the same state; the answers, which are the same."""
        for door in (self.slow, self.fast):
            door.renew()
            prepare(door)
        answers = []
        for asked in requests:
            expected, found = await self.slow.ask(asked), await self.fast.ask(asked)
            assert expected == found, asked
            answers.append(found)
        for door in (self.slow, self.fast):
            await door.levels.cached.close()
        return answers
