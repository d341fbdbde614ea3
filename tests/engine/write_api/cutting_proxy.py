"""A TCP proxy that can lose one direction of its connections and then cut them: how a COMMIT's outcome gets unknown.

It can also refuse to connect for a while, as a server does that was killed.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self


class CuttingProxy:
    """Forwards to (host, port). `lose_answers` and `lose_requests` swallow bytes from now on; `cut` closes everything.

    While `down` is set, each new connection is reset. Answers come `delay` seconds later than they were given.
    """

    def __init__(self, host: str, port: int, *, delay: float = 0.0) -> None:
        self._target = (host, port)
        self._delay = delay
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lose_answers = False
        self.lose_requests = False
        self.down = False
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Close every connection and forward as before."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self.lose_answers = self.lose_requests = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, upstream_writer}
        for source, sink, answers in ((reader, upstream_writer, False), (upstream_reader, writer, True)):
            task = asyncio.create_task(self._pump(source, sink, answers=answers))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if answers and self._delay:
                    await asyncio.sleep(self._delay)
                if not (self.lose_answers if answers else self.lose_requests):
                    sink.write(data)
                    await sink.drain()
        sink.close()
