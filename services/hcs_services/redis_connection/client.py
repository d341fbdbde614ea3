"""A client of Redis: one connection, made when it is needed, with the password that is mounted then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from redis.exceptions import ConnectionError as RedisConnectionError

from hcs_services.redis_connection.pipe import Lost, Pipe, Words, answered

_BACK_OFF = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Seconds without another attempt after so many that failed in a row, the last for all further ones: below the pause
that `availability` makes, so that Redis is found again no later for it."""


class Client:
    """Commands go out in the order of the calls; `password` is asked at each connect, None where there is none."""

    def __init__(self, url: str, *, seconds: float, password: Callable[[], str | None], name: str = "") -> None:
        self._url = urlsplit(url)
        self._seconds = seconds
        self._password = password
        self._name = name
        self._pipe: Pipe | None = None
        self._opening: asyncio.Task[Pipe] | None = None
        self._failures = 0
        self._not_before = float("-inf")
        self._closed = False

    async def command(self, *words: Any) -> Any:
        """The reply to one command, which may be sent twice; raises what `batch` raises, or what Redis refused."""
        return answered(await self.batch((words,)))[0]

    async def batch(self, commands: Sequence[Words], *, repeatable: bool = True) -> list[Any]:
        """The replies to commands that follow each other on the wire; a refused one's reply is its exception.

        If the connection ends before all replies, `repeatable` commands are sent once more on a new one: they must do
        no harm if they were carried out already. What ran out of time is not repeated.
        Raises RedisError, OSError, TimeoutError or MissingCredentialError.
        """
        try:
            return await (await self._connected()).send(commands)
        except Lost:
            if not repeatable:
                raise
            return await (await self._connected()).send(commands)

    async def aclose(self) -> None:
        """Close the connection for good."""
        self._closed = True
        if self._opening is not None:
            await asyncio.wait([self._opening])
        if self._pipe is not None:
            self._pipe.end(RedisConnectionError("closed"))

    async def _connected(self) -> Pipe:
        if self._pipe is not None and self._pipe.alive:
            return self._pipe
        if self._closed:
            raise RedisConnectionError("closed")
        if self._opening is None:
            if asyncio.get_running_loop().time() < self._not_before:
                raise RedisConnectionError("no connection could be made a moment ago")
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)  # who goes away leaves the attempt to the others

    def _opened(self, attempt: asyncio.Task[Pipe]) -> None:
        self._opening = None
        if attempt.cancelled() or attempt.exception() is not None:
            self._failures += 1
            pause = _BACK_OFF[min(self._failures, len(_BACK_OFF) - 1)]
            self._not_before = attempt.get_loop().time() + pause
        else:
            self._failures, self._pipe = 0, attempt.result()

    async def _open(self) -> Pipe:
        loop, url = asyncio.get_running_loop(), self._url
        async with asyncio.timeout(self._seconds):
            _, pipe = await loop.create_connection(
                lambda: Pipe(self._seconds),
                url.hostname or "localhost",
                url.port or 6379,
                ssl=url.scheme == "rediss" or None,
            )
            try:
                answered(await pipe.send(self._greeting()))
            except BaseException:
                pipe.end(RedisConnectionError("not taken into use"))
                raise
        return pipe

    def _greeting(self) -> list[Words]:
        password = self._password()
        words: list[Words] = [] if password is None else [("AUTH", password)]
        if self._name:
            words.append(("CLIENT", "SETNAME", self._name))
        return [*words, ("SELECT", self._url.path.strip("/") or "0")]
