"""Work for a client ends with the client, and with nobody else."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hcs_services.gateway.body import ClientLeft
from hcs_services.gateway.presence import WhileConnected

pytestmark = pytest.mark.unit


class Connection:
    """The server's side of a client's connection."""

    def __init__(self, *, there: bool = True, answered: bool = False) -> None:
        self._there, self.answered = there, answered
        self.gone: Callable[[], None] | None = None

    @property
    def takes(self) -> bool:
        return True

    def watch(self, gone: Callable[[], None] | None) -> bool:
        self.gone = gone
        return self._there

    def leave(self) -> None:
        assert self.gone is not None
        self.gone()

    async def serve(self, work: Callable[[], Any]) -> None:
        with WhileConnected(self, lambda: self.answered):
            await work()


async def forever() -> None:
    await asyncio.Event().wait()


async def test_work_ends_when_the_client_leaves() -> None:
    connection = Connection()
    task = asyncio.create_task(connection.serve(forever))
    await asyncio.sleep(0)

    connection.leave()

    with pytest.raises(ClientLeft):
        await task
    assert task.cancelling() == 0
    assert connection.gone is None


async def test_work_for_a_client_that_has_left_does_not_begin() -> None:
    begun = False

    async def work() -> None:
        nonlocal begun
        begun = True

    with pytest.raises(ClientLeft):
        await Connection(there=False).serve(work)
    assert not begun


async def test_a_client_that_has_its_answer_may_leave() -> None:
    connection = Connection(answered=True)
    task = asyncio.create_task(connection.serve(lambda: asyncio.sleep(0.01)))
    await asyncio.sleep(0)

    connection.leave()

    await task


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    connection = Connection()
    task = asyncio.create_task(connection.serve(forever))
    await asyncio.sleep(0)

    connection.leave()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_failure_of_the_work_is_told_as_it_is() -> None:
    async def work() -> None:
        raise ValueError

    connection = Connection()
    with pytest.raises(ValueError):
        await connection.serve(work)
    assert connection.gone is None
