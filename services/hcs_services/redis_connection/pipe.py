"""One connection to Redis that all commands of a process share: those of one turn of the loop leave in one write.

1. Replies are matched to commands by their order alone. So a command that nobody waits for any more (cancelled, or out
   of time) keeps its place until its reply has come; that is then dropped.
2. Every command has the same time, so they run out of it in order too, and one timer watches the oldest.
3. Nothing heard for `SILENT` times a command's time while one waits, or bytes that are no reply: the connection is
   closed. What it still carried fails, and was or was not carried out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

Words = tuple[Any, ...]
"""A command: its name and arguments, each a str, bytes or a number."""

MAX_IN_FLIGHT = 8_192
"""Commands that may wait for their replies before another batch is refused. A process gets no more of them answered
within their time, so those that came later would only pile up."""
SILENT = 2
_INCOMPLETE = object()


class Lost(RedisConnectionError):
    """The connection ended before the reply: the command may or may not have been carried out."""


class _Batch(NamedTuple):
    """Commands sent together, their replies so far, and when they are due (the loop's clock)."""

    answered: asyncio.Future[list[Any]]
    size: int
    due: float
    replies: list[Any]


class Pipe(asyncio.Protocol):
    """One connection, for its whole life; `seconds` is a command's time."""

    def __init__(self, seconds: float) -> None:
        self.alive = True
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(protocolError=InvalidResponse, replyError=_refusal, notEnoughData=_INCOMPLETE)
        self._waiting: deque[_Batch] = deque()
        self._in_flight = 0
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._heard = float("-inf")

    def send(self, commands: Sequence[Words]) -> asyncio.Future[list[Any]]:
        """The replies to come; a command that Redis refuses has its exception for a reply.

        Raises Lost on a connection that has ended, RedisConnectionError while too many commands wait. The future
        fails with Lost, or with RedisTimeoutError.
        """
        if not self.alive:
            raise Lost("the connection has ended")
        if self._in_flight >= MAX_IN_FLIGHT:
            raise RedisConnectionError(f"{self._in_flight} commands wait for their replies")
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent += map(hiredis.pack_command, commands)
        batch = _Batch(self._loop.create_future(), len(commands), self._loop.time() + self._seconds, [])
        self._waiting.append(batch)
        self._in_flight += batch.size
        if self._timer is None:
            self._timer = self._loop.call_at(batch.due, self._look)
        return batch.answered

    def end(self, reason: RedisConnectionError | RedisTimeoutError | InvalidResponse) -> None:
        """Close the connection at once; what waits fails with the reason."""
        if not self.alive:
            return
        self.alive = False
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        for batch in self._waiting:
            if not batch.answered.done():
                batch.answered.set_exception(reason)
        self._waiting.clear()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the way out."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The server, or the network, has ended it."""
        self.end(Lost(f"the connection ended: {exc or 'closed by Redis'}"))

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that are complete."""
        self._heard = self._loop.time()
        try:
            self._reader.feed(data)
            while self.alive and (reply := self._reader.gets()) is not _INCOMPLETE:
                self._take(reply)
        except InvalidResponse as error:
            self.end(error)

    # inside

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self.alive and self._transport is not None:
            self._transport.write(b"".join(unsent))

    def _take(self, reply: Any) -> None:
        if not self._waiting:
            raise InvalidResponse("a reply to no command")
        batch = self._waiting[0]
        batch.replies.append(reply)
        if len(batch.replies) == batch.size:
            self._waiting.popleft()
            self._in_flight -= batch.size
            if not batch.answered.done():
                batch.answered.set_result(batch.replies)

    def _look(self) -> None:
        """Fail what is out of time, and close a connection that stays silent."""
        self._timer, now, next_due = None, self._loop.time(), None
        for batch in self._waiting:
            if batch.due > now:
                next_due = batch.due
                break
            if not batch.answered.done():
                batch.answered.set_exception(RedisTimeoutError(f"no reply within {self._seconds * 1000:.0f} ms"))
        if not self._waiting:
            return
        silent_at = max(self._heard, self._waiting[0].due - self._seconds) + SILENT * self._seconds
        if now >= silent_at:
            self.end(RedisTimeoutError("Redis is silent"))
        else:
            self._timer = self._loop.call_at(silent_at if next_due is None else min(silent_at, next_due), self._look)


def _refusal(text: str) -> ResponseError:
    return NoScriptError(text) if text.startswith("NOSCRIPT") else ResponseError(text)


def answered(replies: list[Any]) -> list[Any]:
    """The replies; raises the first that is a refusal."""
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise reply
    return replies
