"""One connection to an endpoint: a request goes out, its answer comes back in pieces, then the next one may follow.

Nothing is piped: the answer to one request is whole before another is sent. What waits here is bounded: of a request
its own bytes (the body is read whole before, 64 KiB at most), of an answer `HIGH_WATER` and one read, after which the
endpoint is no longer read from until the client has taken what there is.
"""

import asyncio
import select
from collections.abc import Callable
from typing import cast

from hcs_services.gateway.pool.failures import Broken, Lost, Malformed
from hcs_services.gateway.pool.parsing import AnswerParser

HIGH_WATER = 64 * 1024


class Connection(asyncio.Protocol):
    """A connection of a pool, which hears by `lost` when it has ended."""

    def __init__(self, lost: "Callable[[Connection], None]") -> None:
        self._lost = lost
        self._parser = AnswerParser()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._error: Broken | None = None
        self._paused = False

    async def ask(self, request: bytes, *, to_head: bool) -> "Response":
        """Send a request; return its answer when the header is there. Raises Broken; `abort` must follow."""
        if self._transport is None or not self.usable:
            raise Lost("the connection had ended")
        self._parser.expect(to_head=to_head)
        self._transport.write(request)
        while self._parser.status is None and self._error is None:
            await self._something()
        if self._error is not None and (self._parser.status is None or isinstance(self._error, Malformed)):
            raise self._error
        return Response(cast("int", self._parser.status), self._parser.fields, self)

    @property
    def usable(self) -> bool:
        """Whether it is open, as far as the loop has heard."""
        return self._error is None and self._transport is not None and not self._transport.is_closing()

    @property
    def in_step(self) -> bool:
        """Whether another request may follow: the answer to the last is whole, and all of its request has gone out."""
        transport = self._transport
        return self._parser.in_step and self.usable and transport is not None and not transport.get_write_buffer_size()

    def stirs(self) -> bool:
        """Whether something has come that the loop has not yet read. On an idle connection that is its end."""
        if self._transport is None:
            return True
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def abort(self) -> None:
        """End it now; what has not gone out is dropped."""
        if self._transport is not None:
            self._transport.abort()

    # the answer's body

    @property
    def has_piece(self) -> bool:
        """Whether `piece` need not wait."""
        return bool(self._parser.pieces) or self._parser.whole or self._error is not None

    @property
    def at_end(self) -> bool:
        """Whether all of the answer was taken."""
        return self._parser.whole and not self._parser.pieces

    async def piece(self) -> bytes:
        """Return what has come of the body, and wait for some if nothing has; empty at its end. Raises Broken."""
        while not self.has_piece:
            await self._something()
        if not self._parser.pieces and not self._parser.whole and self._error is not None:
            raise self._error
        taken = self._parser.take()
        if self._paused and self.usable and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return taken

    async def _something(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The endpoint has taken the connection."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came; an endpoint that says what it was not asked for is not heard again."""
        parser = self._parser
        if parser.whole:
            parser.surplus = True
            self.abort()
            return
        try:
            parser.feed(data)
        except Malformed as error:
            self._error = error
            self.abort()
        else:
            if parser.buffered > HIGH_WATER and not parser.whole and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The endpoint says no more; an answer of no told length ends by that."""
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if exc is None:
            self._end()
        elif self._error is None:
            self._error = Lost(f"{type(exc).__name__}: {exc}")
        self._transport = None
        self._wake()
        self._lost(self)

    def _end(self) -> None:
        if self._error is None:
            try:
                self._parser.end()
            except Lost as error:
                self._error = error
        self._wake()


class Response:
    """An answer whose header is there, and its body as it comes."""

    __slots__ = ("connection", "fields", "status")

    def __init__(self, status: int, fields: list[tuple[bytes, bytes]], connection: Connection) -> None:
        self.status, self.fields, self.connection = status, fields, connection

    def field(self, name: bytes) -> str | None:
        """Return the value of the first field of this name, given in lower case; None if there is none."""
        for key, value in self.fields:
            if key == name:
                return value.strip(b" \t").decode("latin-1")
        return None

    @property
    def has_piece(self) -> bool:
        """Whether `piece` need not wait."""
        return self.connection.has_piece

    @property
    def at_end(self) -> bool:
        """Whether all of the body was taken."""
        return self.connection.at_end

    async def piece(self) -> bytes:
        """Return what has come of the body, and wait for some if nothing has; empty at its end. Raises Broken."""
        return await self.connection.piece()

    async def read(self, most: int) -> bytes:
        """Return the whole body. Raises Broken, also if it has more than `most` bytes."""
        body = b""
        while not self.at_end:
            body += await self.piece()
            if len(body) > most:
                raise Broken(f"the body has over {most} bytes")
        return body
