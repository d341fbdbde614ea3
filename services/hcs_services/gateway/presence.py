"""What is done for a client ends when the client leaves.

The server calls back when the connection ends (`Cycle.watch`); the request's task is cancelled then, as a timeout
would cancel it. A second task that waits for the client to leave would cost more than most of what is done for it.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from hcs_services.gateway.body import ClientLeft


class Peer(Protocol):
    """The other end of the connection that a request came on: the server's `Cycle`."""

    @property
    def takes(self) -> bool:
        """Whether it takes a piece of the answer at once."""

    def watch(self, gone: Callable[[], None] | None) -> bool:
        """Have `gone` called when it leaves before its answer is whole; return whether it is still there."""


class WhileConnected:
    """Context in which the current task is cancelled once the client leaves; raises ClientLeft then, or if it has left.

    `answered` says whether the answer has gone out whole: from then on it does not matter who leaves.
    """

    def __init__(self, peer: Peer, answered: Callable[[], bool]) -> None:
        self._peer = peer
        self._answered = answered
        self._left = False

    def __enter__(self) -> None:
        """Begin to watch."""
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        if not self._peer.watch(self._leave):
            raise ClientLeft

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        """Take back the cancellation that was asked for here; one that came from elsewhere goes on."""
        self._peer.watch(None)
        if self._left and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise ClientLeft from error

    def _leave(self) -> None:
        if not self._left and not self._answered():
            self._left = True
            self._task.cancel()
