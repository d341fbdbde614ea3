"""The clocks of a connection: how long a part of a request takes, and how long it rests between requests.

A timer that is set and cancelled for each request costs more than parsing it, and hardly any is ever due: most requests
are there with one read, and most connections carry the next one soon. So a timer is set only for what outlasts a read,
and the one that ends a rest is left to run, and looks when it is due whether there is one that long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def nothing() -> None:
    """Stands for a callback that is no longer wanted."""


class PartClock:
    """Times the part of a request at hand; `late` is called when it has taken too long."""

    def __init__(self, loop: asyncio.AbstractEventLoop, late: Callable[[], None]) -> None:
        self._loop = loop
        self._late = late
        self._limit: float | None = None
        self._renewed = False  # whether the part at hand is another than the timer is for
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> None:
        """A part begins that may take so long, unless one is under way."""
        if self._limit is None:
            self._limit = seconds

    def end(self) -> None:
        """The part is there."""
        self._limit, self._renewed = None, True

    def settle(self) -> None:
        """Set the timer as it is to be. To be called whenever a read, or what else began or ended parts, is over."""
        if self._renewed and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._renewed = False
        if self._timer is None and self._limit is not None:
            self._timer = self._loop.call_later(self._limit, self._due)

    def stop(self) -> None:
        """Time nothing any more, and let go of whom it would call, who holds this."""
        self.end()
        self.settle()
        self._late = nothing

    def _due(self) -> None:
        self._timer = self._limit = None
        self._late()


class RestClock:
    """Times the rest of a connection between requests; `over` is called when one has lasted for `seconds`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, over: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._over = over
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """A rest begins, unless one is under way."""
        if self._since is None:
            self._since = self._loop.time()
            if self._timer is None:
                self._timer = self._loop.call_later(self._seconds, self._due)

    def end(self) -> None:
        """The rest is over."""
        self._since = None

    def stop(self) -> None:
        """Time nothing any more, and let go of whom it would call, who holds this."""
        self._since, self._over = None, nothing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        if self._since is None:
            return
        left = self._since + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._due)
        else:
            self._over()
