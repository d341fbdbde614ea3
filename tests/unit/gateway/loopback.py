"""Services played by the test on loopback addresses, and a gateway in front of them."""

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from uvicorn.server import ServerState

from hcs_services.gateway.config import GatewayConfig
from hcs_services.gateway.discovery import NoAnswer
from hcs_services.gateway.tier import assemble
from hcs_services.http_protocol import LimitedHttpProtocol
from hcs_services.server import Background, Tier, _server
from hcs_services.settings import Settings

DEADLINE = 10.0
LOOK_EVERY = 0.05
ROUTES = [
    {"methods": ["POST"], "path": "/api/v1/orders", "upstream": "write-api"},
    {"methods": ["GET"], "path": "/api/v1/orders/{order_id}", "upstream": "write-api"},
    {"methods": ["PATCH", "DELETE"], "path": "/api/v1/orders/{order_id}", "upstream": "write-api"},
    {"methods": ["POST"], "path": "/api/v1/products", "upstream": "write-api", "retry": False},
]


@dataclass(frozen=True)
class Request:
    """A request as it arrived at a service."""

    line: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> Reply:
    """A service that always answers this."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode()

    async def reply(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head + body)

    return reply


async def hang_up(_request: Request, writer: asyncio.StreamWriter) -> None:
    """A service that reads the request and dies."""
    writer.close()


@dataclass
class Service:
    """One pod of a service: what it does is `reply`, what it got is `requests`."""

    reply: Reply
    address: str = "127.0.0.1"
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the gateway has closed a connection."""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        """Listen; `port` 0 takes a free one."""
        self._server = await asyncio.start_server(self._serve, self.address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listener and every connection."""
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while not writer.is_closing():
                request = await self._read(reader)
                self.requests.append(request)
                work = asyncio.ensure_future(self.reply(request, writer))
                while not work.done():
                    await asyncio.wait((work,), timeout=0.02)
                    if reader.at_eof() or reader.exception():
                        work.cancel()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            self.lost.set()
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        return Request(head[0], headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@dataclass
class Door:
    """A running gateway."""

    port: int
    tier: Tier
    session: aiohttp.ClientSession
    dns: dict[str, set[str] | None]
    """What DNS answers for a host; None: it does not answer."""
    lookups: list[str]

    async def call(self, method: str, path: str, **options: Any) -> "Got":
        """Send a request and read its whole answer."""
        async with self.session.request(method, f"http://127.0.0.1:{self.port}{path}", **options) as response:
            return Got(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                await response.read(),
            )

    async def raw(self, *pieces: bytes, address: str = "127.0.0.1") -> bytes:
        """Send bytes and return all that comes until the gateway closes the connection."""
        reader, writer = await asyncio.open_connection(address, self.port)
        try:
            for piece in pieces:
                writer.write(piece)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            return await asyncio.wait_for(reader.read(), DEADLINE)
        finally:
            writer.close()

    async def admin(self, path: str) -> tuple[int, Any]:
        """Ask the admin port's application."""
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        await self.tier.admin(scope, None, send)
        return sent[0]["status"], json.loads(sent[1]["body"])


@dataclass(frozen=True)
class Got:
    """An answer, of whatever status."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document; fails the test if it is none."""
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        return document

    @property
    def slug(self) -> str:
        """The last part of the problem's type."""
        return str(self.problem["type"]).removeprefix("/problems/")


@functools.cache
def _settings() -> Settings:
    return Settings(tier="gateway")


@contextlib.asynccontextmanager
async def gateway(
    *services: Service, also_dns: Iterable[str] = (), settings: Settings | None = None, **config: Any
) -> AsyncIterator[Door]:
    """Run services of one upstream, `write-api`, and a gateway in front of them. `also_dns`: addresses without a pod."""
    for number, service in enumerate(services):
        service.address, service.port = f"127.0.0.{number + 1}", services[0].port
        await service.start()
    port = services[0].port if services else 9
    upstreams = {"write-api": {"host": "write-api", "port": port}}
    document = {"upstreams": upstreams, "routes": ROUTES, "rateLimit": {"enabled": False}, **config}
    dns: dict[str, set[str] | None] = {"write-api": {service.address for service in services} | set(also_dns)}

    lookups: list[str] = []

    async def resolve(host: str, _port: int) -> frozenset[str]:
        lookups.append(host)
        addresses = dns[host]
        if addresses is None:
            raise NoAnswer(host)
        return frozenset(addresses)

    settings = settings or _settings()
    tier = assemble(GatewayConfig.model_validate(document), settings, resolve, look_every=LOOK_EVERY)
    background = Background()
    await tier.start(background)
    tier.admin.started = True
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DEADLINE), auto_decompress=False)
    try:
        async with _listening(tier, settings) as door_port:
            yield Door(door_port, tier, session, dns, lookups)
            await session.close()
    finally:
        await session.close()
        for service in services:
            await service.stop()
        await background.stop()
        await tier.stop()


@contextlib.asynccontextmanager
async def _listening(tier: Tier, settings: Settings) -> AsyncIterator[int]:
    """Listen as the process does, but for uvicorn's server, which looks only ten times a second whether to stop."""
    config, state, loop = _server(tier.app, 0, settings).config, ServerState(), asyncio.get_running_loop()
    config.load()
    listener = await loop.create_server(lambda: LimitedHttpProtocol(config, state, {}), "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.gather(*state.tasks, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds; fails the test after the deadline."""
    async with asyncio.timeout(DEADLINE):
        while not holds():  # noqa: ASYNC110 - what is waited for is not always an event
            await asyncio.sleep(0.005)
