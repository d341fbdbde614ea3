"""An endpoint that a test plays, and the loops on which it is called."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from hcs_services.gateway.pool import serialising
from hcs_services.gateway.pool.connection import Response
from hcs_services.gateway.pool.connections import Connections

SECONDS = 20.0
ADDRESS = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
GET = serialising.request("GET", "/", [("Host", "x")], b"")
Scenario = Callable[[], Coroutine[Any, Any, None]]


def on_both_loops(scenario: Scenario) -> Callable[[Callable[[], asyncio.AbstractEventLoop]], None]:
    """Make a test of a scenario, on asyncio's loop and on the one that serves."""

    @pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
    def test(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(asyncio.wait_for(scenario(), SECONDS))

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


@dataclass
class Peer:
    """An endpoint; `serve` has each of its connections, in the order in which they came."""

    serve: "Callable[[Line], Awaitable[None]]"
    port: int = 0
    lines: "list[Line]" = field(default_factory=list)


@dataclass
class Line:
    """One connection, seen from the endpoint."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the pool has ended it."""

    async def request(self) -> bytes:
        """Read a request's header."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def ended(self) -> None:
        """Wait until the pool ends the connection; what comes until then is dropped."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        self.gone.set()


async def answering(line: Line) -> None:
    """Answer each request with two bytes."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            await line.request()
            line.writer.write(OK)
    line.gone.set()


@contextlib.asynccontextmanager
async def endpoint(serve: Callable[[Line], Awaitable[None]], *, window: int | None = None) -> AsyncIterator[Peer]:
    """Listen; `window`: bytes that the system takes in while nobody reads."""
    peer = Peer(serve)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        line = Line(reader, writer)
        peer.lines.append(line)
        try:
            await serve(line)
        finally:
            writer.transport.abort()

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if window is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    listener.bind((ADDRESS, 0))
    peer.port = listener.getsockname()[1]
    server = await asyncio.start_server(connected, sock=listener, limit=1024)
    try:
        yield peer
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def exchange(pool: Connections, *, once: bool = False, request: bytes = GET) -> Response:
    """Make a call as an endpoint of the gateway does; `pool.release` must follow."""
    connection = await pool.acquire(once=once)
    try:
        return await connection.ask(request, to_head=request.startswith(b"HEAD"))
    except BaseException:
        connection.abort()
        raise


async def call(pool: Connections, *, once: bool = False, request: bytes = GET) -> bytes:
    """Make a call, read its answer and give its connection back."""
    response = await exchange(pool, once=once, request=request)
    try:
        return await response.read(1_000_000)
    finally:
        pool.release(response.connection)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds; the scenario's own time bounds it."""
    while not holds():  # noqa: ASYNC110 - what is waited for is not always an event
        await asyncio.sleep(0.002)
