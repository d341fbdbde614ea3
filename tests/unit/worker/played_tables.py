"""`tasks` and `inbox` played in memory: transactions one after the other, and errors where a test wants them."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hcs_services.database.errors import Meaning, OutcomeUnknown, TransactionLost, meaning
from hcs_services.worker import task_rows

ENDED = ("succeeded", "dead")


class MysqlError(Exception):
    """As the driver raises it: (number, message)."""


@dataclass
class Tables:
    """The committed rows; `effects` stands for what handlers write: a line each."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    inbox: set[str] = field(default_factory=set)
    effects: list[str] = field(default_factory=list)


class PlayedDatabase:
    """What a ledger sees of a pool.

    `at_commit` has one word for each COMMIT to come: "" (it happens), "lost" (it does not, and says so), "unclear" (it
    does not, and nobody knows) or "unheard" (it happens, and nobody knows). `at_statement` has an error for each
    statement that begins so, raised once.
    """

    def __init__(self) -> None:
        self.tables = Tables()
        self.at_commit: list[str] = []
        self.at_statement: dict[str, Exception] = {}
        self.statements: list[str] = []
        self.commits = 0
        self.open_commits = asyncio.Event()
        self.open_commits.set()
        self._one = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def transaction(self, **_options: Any) -> AsyncIterator[PlayedTransaction]:
        async with self._one:
            tx = PlayedTransaction(self, copy.deepcopy(self.tables))
            try:
                yield tx
            except Exception as error:
                if meaning(error) in {Meaning.REPEAT, Meaning.LOOK_AGAIN}:
                    raise TransactionLost(str(error)) from error
                raise
            await self.open_commits.wait()
            self._commit(tx)

    def _commit(self, tx: PlayedTransaction) -> None:
        fate = self.at_commit.pop(0) if self.at_commit else ""
        if fate in ("", "unheard"):
            self.tables = tx.tables
            self.commits += 1
        if fate == "lost":
            raise TransactionLost("deadlock")
        if fate:
            raise OutcomeUnknown("no answer")


class PlayedTransaction:
    """One transaction's own copy of the tables, and the statements of the worker on it."""

    committed_gtid = ""
    address = "a"

    def __init__(self, database: PlayedDatabase, tables: Tables) -> None:
        self._database = database
        self.tables = tables

    async def execute(self, sql: str, arguments: Sequence[Any] = ()) -> int:
        await self._hear(sql)
        if sql.startswith("INSERT INTO tasks"):
            return self._add(arguments, ignore="ON DUPLICATE" in sql)
        if sql.startswith("INSERT INTO inbox"):
            return self._claim(arguments[::4])
        if "CASE task_id" in sql:
            return self._finish(arguments, sql.count("WHEN") // 4)
        assert sql.startswith("UPDATE tasks SET")
        status, attempts, result, error, *_, name = arguments
        return self._change(name, status, attempts, result, error)

    async def fetch_all(self, sql: str, arguments: Sequence[Any] = ()) -> list[dict[str, Any]]:
        await self._hear(sql)
        return [self.tables.tasks[name] for name in sorted(set(arguments)) if name in self.tables.tasks]

    async def fetch_one(self, sql: str, arguments: Sequence[Any] = ()) -> dict[str, Any] | None:
        await self._hear(sql)
        return self.tables.tasks.get(arguments[0])

    async def _hear(self, sql: str) -> None:
        await asyncio.sleep(0)
        self._database.statements.append(sql)
        for beginning in list(self._database.at_statement):
            if sql.startswith(beginning):
                raise self._database.at_statement.pop(beginning)

    def _add(self, values: Sequence[Any], *, ignore: bool) -> int:
        width = len(task_rows.COLUMNS)
        added = 0
        for row in (values[at : at + width] for at in range(0, len(values), width)):
            if row[0] not in self.tables.tasks:
                document = dict(zip(task_rows.COLUMNS, row, strict=True))
                self.tables.tasks[row[0]] = {**document, "result": None, "error": None}
                added += 1
            elif not ignore:
                raise MysqlError(1062, "duplicate")
        return added

    def _claim(self, names: Sequence[str]) -> int:
        for name in names:
            if name in self.tables.inbox:
                raise MysqlError(1062, "duplicate")
            self.tables.inbox.add(name)
        return len(names)

    def _finish(self, arguments: Sequence[Any], count: int) -> int:
        statuses, results, errors, attempts = (
            dict(zip(arguments[at : at + 2 * count : 2], arguments[at + 1 : at + 2 * count : 2], strict=True))
            for at in range(0, 8 * count, 2 * count)
        )
        return sum(
            self._change(name, statuses[name], attempts[name], results[name], errors[name])
            for name in arguments[-count:]
        )

    def _change(self, name: str, status: str, attempts: int, result: Any, error: Any) -> int:
        row = self.tables.tasks.get(name)
        if row is None or row["status"] in ENDED:
            return 0
        most = max(row["attempts"], attempts)
        self.tables.tasks[name] = {**row, "status": status, "attempts": most, "result": result, "error": error}
        return 1
