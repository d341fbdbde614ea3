"""Where a call waits a moment for room among those under way, and where a crowd is turned away at once.

A burst is let in as fast as the limit grows with quick answers. A line that has stood without a break for as long as
one may wait in it is no burst: from then on who comes new is refused at once, until it is gone.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from hcs_services import request_context
from hcs_services.gateway.concurrency import MOST, ConcurrencyLimit


class Entrance:
    """Of one route; `clock` gives monotonic seconds. One waits for as long as a quick answer may take."""

    def __init__(self, slow: float, clock: Callable[[], float]) -> None:
        self.concurrency = ConcurrencyLimit(slow)
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._since = 0.0  # when the line began that stands now

    async def enter(self) -> bool:
        """Count a call in, at once or soon; False if it is refused."""
        self._let_in()
        now = self._clock()
        if not self._waiting:
            if self.concurrency.has_room(now):
                self.concurrency.begin(now)
                return True
            self._since = now
        if len(self._waiting) >= MOST or now - self._since >= self.concurrency.quick:
            return False
        return await self._turn()

    def push_in(self) -> None:
        """Count in a call that somebody else has given leave for."""
        self.concurrency.begin(self._clock())

    def leave(self, begun: float, now: float, *, answered: bool, shed: bool = False) -> None:
        """Count out a call that was made at `begun`; `shed`: the upstream would not do it, having too much to do."""
        self.concurrency.end(now - begun, now, answered=answered, shed=shed)
        self._let_in()

    async def _turn(self) -> bool:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(request_context.remaining(self.concurrency.quick)):
                await turn
        except TimeoutError:
            self._let_in()  # an upstream may have been away for so long by now
            if not self._missed(turn):
                return True
            if not self.concurrency.has_room(self._clock()):
                return False
            self.push_in()
        except asyncio.CancelledError:
            if not self._missed(turn):
                now = self._clock()
                self.leave(now, now, answered=False)
            raise
        return True

    def _missed(self, turn: asyncio.Future[None]) -> bool:
        """Whether it was not given to who stops waiting for it; then it is not from now on."""
        with suppress(ValueError):  # passed over already
            self._waiting.remove(turn)
        return turn.cancelled()

    def _let_in(self) -> None:
        while self._waiting and self.concurrency.has_room(now := self._clock()):
            turn = self._waiting.popleft()
            if not turn.done():
                self.concurrency.begin(now)
                turn.set_result(None)
