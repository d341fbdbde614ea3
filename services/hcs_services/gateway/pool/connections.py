"""The connections to one endpoint: those that are in step wait here for the next request, the last one in front.

So a pool that is used less closes what it does not need: each connection that rested for `idle_seconds`. An endpoint
that is used up to its limit makes further requests wait in their order.
"""

import asyncio
from collections import deque
from contextlib import suppress

from hcs_services.gateway.pool.connection import Connection
from hcs_services.gateway.pool.failures import NotConnected

CONNECT_SECONDS = 1.0
"""For a connection within the cluster; longer means the node or pod is gone."""
IDLE_SECONDS = 30.0
"""How long an unused connection is kept: shorter than the services do, so that theirs is never the hand that closes."""
CONNECTIONS = 512
"""Connections to one endpoint at most; further calls wait within their deadline."""


class Connections:
    """Of one address and port; `acquire` and `release` go in pairs."""

    def __init__(self, address: str, port: int, *, most: int = CONNECTIONS, idle_seconds: float = IDLE_SECONDS) -> None:
        self._address, self._port = address, port
        self._most, self._idle_seconds = most, idle_seconds
        self._made: set[Connection] = set()
        self._making = 0
        self._idle: dict[Connection, float] = {}  # and the loop's time at which each was released, in that order
        self._turns: deque[asyncio.Future[Connection | None]] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._closing = False

    @property
    def open(self) -> int:
        """Connections there are, with those being made."""
        return len(self._made) + self._making

    @property
    def idle(self) -> int:
        """Connections that carry no request."""
        return len(self._idle)

    async def acquire(self, *, once: bool) -> Connection:
        """Return a connection for one request. Raises NotConnected.

        `once`: a request that must not be sent twice, so the endpoint is asked whether it has closed the connection.
        """
        while True:
            while self._idle:
                connection, _ = self._idle.popitem()
                if connection.usable and not (once and connection.stirs()):
                    return connection
                connection.abort()
            if self.open < self._most:
                self._making += 1
                return await self._make()
            given = await self._turn()
            if given is None:
                return await self._make()
            if given.usable:
                return given

    def release(self, connection: Connection) -> None:
        """Take a connection back: it is kept, or given on, if it is in step, else ended."""
        if self._closing or not connection.in_step:
            connection.abort()
        elif not self._give(connection):
            now = asyncio.get_running_loop().time()
            self._idle[connection] = now
            if self._sweep is None:
                self._sweep_at(now + self._idle_seconds)

    def close(self) -> None:
        """Keep no connection any more: idle ones end now, the others when they are released."""
        self._closing = True
        for connection in self._idle:
            connection.abort()
        self._idle.clear()
        if self._sweep is not None:
            self._sweep.cancel()

    async def _make(self) -> Connection:
        """Connect; `_making` has counted it already."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._lost), self._address, self._port
                )
        except BaseException as error:
            self._free()
            if isinstance(error, OSError):
                raise NotConnected(f"{type(error).__name__}: {error}") from error
            raise
        if not connection.usable:
            self._free()
            raise NotConnected("the endpoint closed the connection before it carried anything")
        self._making -= 1
        self._made.add(connection)
        return connection

    def _free(self) -> None:
        """Give the place of a connection that came to nothing to who waits for one."""
        if not self._give(None):
            self._making -= 1

    def _lost(self, connection: Connection) -> None:
        if connection in self._made:
            self._made.remove(connection)
            self._idle.pop(connection, None)
            if self._give(None):
                self._making += 1

    async def _turn(self) -> Connection | None:
        """Wait for a connection, or for leave to make one (None; it counts as being made)."""
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                given = turn.result()
                self._free() if given is None else self.release(given)
            else:
                with suppress(ValueError):  # `_give` has passed it over
                    self._turns.remove(turn)
            raise

    def _give(self, connection: Connection | None) -> bool:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False

    def _sweep_at(self, when: float) -> None:
        self._sweep = asyncio.get_running_loop().call_at(when, self._expire)

    def _expire(self) -> None:
        self._sweep = None
        due = asyncio.get_running_loop().time() - self._idle_seconds
        for connection, since in list(self._idle.items()):
            if since > due:
                self._sweep_at(since + self._idle_seconds)
                return
            del self._idle[connection]
            connection.abort()
