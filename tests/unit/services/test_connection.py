"""A connection's statements: each is bounded, and none outlives its connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hcs_services.database.connection import Connection
from hcs_services.database.errors import ConnectionClosed, StatementTimeout


class Hanging:
    """A driver's connection over TLS to a server that does not answer: closing it wakes nobody."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.closed = 0

    async def commit(self) -> None:
        self.asked.set()
        await asyncio.Event().wait()

    begin = rollback = commit

    def close(self) -> None:
        self.closed += 1


def connection_to(raw: Any, seconds: float = 60) -> Connection:
    return Connection(raw, "a", seconds)


async def test_a_commit_that_hangs_ends_with_its_connection() -> None:
    raw = Hanging()
    connection = connection_to(raw)
    commit = asyncio.create_task(connection.commit())
    await raw.asked.wait()
    connection.close()
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(1):
            await commit


async def test_a_statement_without_an_answer_closes_its_connection() -> None:
    raw = Hanging()
    connection = connection_to(raw, seconds=0.01)
    with pytest.raises(StatementTimeout):
        await connection.begin()
    assert (connection.broken, raw.closed) == (True, 1)


async def test_a_connection_that_nobody_waits_on_is_just_closed() -> None:
    raw = Hanging()
    connection = connection_to(raw)
    connection.close()
    await connection.rollback()
    assert raw.closed == 1
