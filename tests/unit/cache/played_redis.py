"""A Redis played on a loopback socket, as far as the cache's client talks to one; it hangs, cuts and drops as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import hiredis

Reply = Callable[[list[bytes]], bytes]


def bulk(value: bytes | None) -> bytes:
    """A value as Redis sends it."""
    return b"$-1\r\n" if value is None else b"$%d\r\n%b\r\n" % (len(value), value)


class PlayedRedis:
    """`GET x` is answered with `of x`, whatever is stored. Knows scripts by the name `loaded` after SCRIPT LOAD."""

    def __init__(self) -> None:
        self.password: bytes | None = None
        self.hanging = False  # takes commands and answers none, until it is released
        self.cuts: list[int] = []  # the sizes of the pieces that replies are sent in, over and over; none: whole
        self.drops: list[bytes] = []  # a command of this name, once each, ends the connection in place of a reply
        self.loaded = False
        self.script_reply = b":1\r\n"
        self.received: list[list[bytes]] = []  # without greetings
        self.passwords: list[bytes] = []  # as they were presented
        self.reads = 0
        self.greeted = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self._serving: set[asyncio.Task[None] | None] = set()
        self._held: list[tuple[asyncio.StreamWriter, bytes]] = []
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        await asyncio.gather(*(task for task in self._serving if task is not None))
        await self._server.wait_closed()

    def drop(self) -> None:
        """End all connections."""
        for writer in self.writers:
            writer.close()
        self.writers.clear()

    def forget(self) -> None:
        """Go on, and never answer what was held back."""
        self.hanging = False
        self._held.clear()

    async def release(self) -> None:
        """Answers what was held, in its order, and then goes on: what comes meanwhile waits for its turn."""
        while self._held:
            await self._send(*self._held.pop(0))
        self.hanging = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self._serving.add(asyncio.current_task())
        parser, admitted = hiredis.Reader(), self.password is None
        while data := await reader.read(1 << 16):
            self.reads += 1
            parser.feed(data)
            replies = b""
            while command := parser.gets():
                if command[0] == b"AUTH":
                    self.passwords.append(command[1])
                    admitted = command[1] == self.password
                    replies += b"+OK\r\n" if admitted else b"-WRONGPASS no such password\r\n"
                elif not admitted:
                    replies += b"-NOAUTH Authentication required.\r\n"
                elif command[0] in self.drops:
                    self.received.append(command)
                    self.drops.remove(command[0])
                    writer.close()
                    return
                else:
                    replies += self._reply(command)
            if self.hanging:
                self._held.append((writer, replies))
            else:
                await self._send(writer, replies)

    def _reply(self, command: list[bytes]) -> bytes:
        if command[0] in {b"SELECT", b"CLIENT"}:
            self.greeted += command[0] == b"SELECT"
            return b"+OK\r\n"
        self.received.append(command)
        if command[:2] == [b"SCRIPT", b"LOAD"]:
            self.loaded = True
            return bulk(b"its name")
        if command[0] == b"EVALSHA":
            return self.script_reply if self.loaded else b"-NOSCRIPT No matching script.\r\n"
        return bulk(b"of " + command[1]) if command[0] == b"GET" else b"+OK\r\n"

    async def _send(self, writer: asyncio.StreamWriter, replies: bytes) -> None:
        number = 0
        while replies:
            size = self.cuts[number % len(self.cuts)] if self.cuts else len(replies)
            writer.write(replies[:size])
            replies, number = replies[size:], number + 1
            await asyncio.sleep(0)  # the client reads each piece by itself


@asynccontextmanager
async def played() -> AsyncIterator[PlayedRedis]:
    """One that serves."""
    redis = PlayedRedis()
    await redis.start()
    try:
        yield redis
    finally:
        await redis.stop()
