"""What a service does with a group: it writes and reads through the services' own pools, and a ledger keeps what it was told."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.engine.database.trial import Trial
from tests.engine.mysql_servers import NAMESPACE

from hcs_services import request_context
from hcs_services.database import errors
from hcs_services.database.connection import Connection
from hcs_services.database.group_view import View
from hcs_services.database.members import PrimaryPool
from hcs_services.database.settle import run_keyed
from hcs_services.settings import Settings

TABLES = (
    "CREATE TABLE hcs.work_keys (id BIGINT PRIMARY KEY)",
    "CREATE TABLE hcs.effects (n BIGINT AUTO_INCREMENT PRIMARY KEY, id BIGINT NOT NULL, data LONGTEXT, KEY (id))",
)
WRITE_EVERY = 0.05
READ_EVERY = 0.05
DEADLINE = 25.0

_numbers = itertools.count(1)


@dataclass
class Written:
    """One write: when it began and ended (monotonic seconds), who committed it and how it ended."""

    id: int
    began: float
    ended: float = 0.0
    address: str = ""
    outcome: str = "pending"


@dataclass
class Seen:
    """What one pool's looks found, and whom it took for the primary (monotonic seconds)."""

    failed_looks: list[tuple[float, str]] = field(default_factory=list)
    moves: list[tuple[float, str | None]] = field(default_factory=list)

    @property
    def primary(self) -> str | None:
        return self.moves[-1][1] if self.moves else None

    def first_failed_look(self, address: str, since: float) -> float:
        """When the pool first heard of the address, or failed to hear, that it is no primary to use; at the latest when
        it gave it up: another member's newer view may be the first to tell.
        """
        failed = (at for at, of in self.failed_looks if at > since and of == address)
        return min(next(failed, math.inf), self.left(address, since))

    def found(self, address: str, since: float) -> float:
        """When the pool found another primary than the address."""
        return next(at for at, to in self.moves if at > since and to not in {None, address})

    def left(self, address: str, since: float) -> float:
        """When the pool gave the address up."""
        return next(at for at, to in self.moves if at > since and to != address)


@dataclass
class Ledger:
    """All that the service did, and what its pools saw. `pools`: of writes, of reads, and one that nobody uses."""

    writes: list[Written] = field(default_factory=list)
    stale_reads: list[float] = field(default_factory=list)
    pools: dict[str, Seen] = field(default_factory=lambda: {name: Seen() for name in ("writes", "reads", "idle")})

    @property
    def acknowledged(self) -> list[Written]:
        return [it for it in self.writes if it.outcome == "acknowledged"]

    def gap(self, since: float) -> tuple[float, float]:
        """The two acknowledgements that are furthest apart, of those of which the later came after `since`."""
        ends = sorted(it.ended for it in self.acknowledged)
        pairs = [(before, after) for before, after in itertools.pairwise(ends) if after > since]
        return max(pairs, key=lambda pair: pair[1] - pair[0])


class Service:
    """Pools of `hcs_app` and `hcs_read` under the services' own watch, in a thread and loop of their own."""

    def __init__(self, trial: Trial, folder: Path) -> None:
        (folder / "database").mkdir()
        for name in ("app-password", "read-password"):
            (folder / "database" / name).write_text(trial.password(name))
        (folder / "database" / "ca.crt").write_text(trial.authority.certificate)
        self._settings = Settings(
            credentials_dir=folder,
            database_members_host=f"{trial.stack}-db-0.{NAMESPACE}",
            database_pool_size=8,
        )
        self.ledger = Ledger()
        self._newest = 0
        self._done = threading.Event()

    def pool(self, user: str) -> PrimaryPool:
        """A pool of its own, as another process would have it."""
        return PrimaryPool.of(self._settings, user)

    @contextmanager
    def running(self) -> Iterator[Ledger]:
        """Writes 20 rows and reads 20 times a second until the block ends, then waits for what is under way."""
        thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        thread.start()
        try:
            yield self.ledger
        finally:
            self._done.set()
            thread.join()

    async def _run(self) -> None:
        writer, reader, _ = pools = [self.pool(user) for user in ("hcs_app", "hcs_read", "hcs_read")]
        for pool, seen in zip(pools, self.ledger.pools.values(), strict=True):
            _observe(pool, seen)
            await pool.refresh()
        watches = [asyncio.create_task(pool.watch()) for pool in pools]
        tasks = [asyncio.create_task(self._read_on(reader))]
        while not self._done.is_set():
            tasks.append(asyncio.create_task(self._write(writer)))
            await asyncio.sleep(WRITE_EVERY)
        await asyncio.gather(*tasks)
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        for pool in pools:
            await pool.close()

    async def _write(self, pool: PrimaryPool) -> None:
        written = Written(next(_numbers), time.monotonic())
        self.ledger.writes.append(written)
        request_context.set_deadline(written.began + DEADLINE)
        committer = ""

        async def work(tx: Connection, settling: bool) -> None:
            nonlocal committer
            committer = tx.address
            try:
                await tx.execute("INSERT INTO work_keys (id) VALUES (%s)", (written.id,))
            except Exception as error:
                if settling and errors.meaning(error) is errors.Meaning.DUPLICATE:
                    return
                raise
            await tx.execute("INSERT INTO effects (id) VALUES (%s)", (written.id,))

        try:
            await run_keyed(pool, work)
            written.outcome = "acknowledged"
        except errors.OutcomeUnknown:
            written.outcome = "unknown"
        except errors.DatabaseFailure:
            written.outcome = "refused"
        written.ended, written.address = time.monotonic(), committer
        if written.outcome == "acknowledged":
            self._newest = max(self._newest, written.id)

    async def _read_on(self, pool: PrimaryPool) -> None:
        """Read at what is taken for the primary; a row acknowledged before and not there is a stale read."""
        while not self._done.is_set():
            expected, began = self._newest, time.monotonic()
            request_context.set_deadline(began + 3)
            with suppress(Exception):
                async with pool.connection() as connection:
                    row = await connection.fetch_one("SELECT 1 FROM work_keys WHERE id = %s", (expected,))
                if row is None and expected:
                    self.ledger.stale_reads.append(time.monotonic())
            await asyncio.sleep(READ_EVERY)


def _observe(pool: PrimaryPool, seen: Seen) -> None:
    """Note what the pool's looks find and whom it takes for the primary."""
    finder = pool._finder
    view, connect, adopt = finder.view, finder._connect, pool._adopt

    async def seen_view(connection: Connection) -> View | None:
        found = await view(connection)
        if found is None or not found.writable:
            seen.failed_looks.append((time.monotonic(), connection.address))
        return found

    async def seen_connect(address: str) -> Connection:
        try:
            return await connect(address)
        except Exception:
            seen.failed_looks.append((time.monotonic(), address))
            raise

    def seen_adopt(found: str | None) -> None:
        if found != pool.primary:
            seen.moves.append((time.monotonic(), found))
        adopt(found)

    finder.view = seen_view  # type: ignore[method-assign]
    finder._connect = seen_connect
    pool._adopt = seen_adopt  # type: ignore[method-assign]
