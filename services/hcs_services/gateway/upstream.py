"""An upstream: the pods that serve one part of the API, each with a pool of keep-alive connections of its own.

An endpoint that leaves DNS takes no new call; its pool is closed when its last call has ended.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

import aiohttp
import structlog
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from hcs_services.gateway import headers
from hcs_services.gateway.balance import choose
from hcs_services.gateway.ejection import Ejections
from hcs_services.gateway.retry import Failure, RetryBudget

CONNECT_SECONDS = 1.0
"""For a connection within the cluster; longer means the node or pod is gone."""
IDLE_SECONDS = 30.0
"""How long an unused connection is kept: shorter than the services do, so that theirs is never the hand that closes."""
CONNECTIONS = 512
"""Connections to one endpoint at most; further calls wait within their deadline."""
MAX_FIELD_BYTES = 16 * 1024

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it is sent: `target` is the undecoded path with its query."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def keyed(self) -> bool:
        """Whether it has an Idempotency-Key."""
        return any(name == "idempotency-key" for name, _ in self.headers)

    @property
    def keyed_write(self) -> bool:
        """Whether it can be made later, or again, without harm to what it writes."""
        return self.method == "POST" and self.keyed

    @property
    def size(self) -> int:
        """Bytes that it holds in memory, but for what each object costs."""
        return len(self.target) + len(self.body) + sum(len(name) + len(value) for name, value in self.headers)


class CallFailed(Exception):
    """No answer came from an endpoint; `failure` says whether it may have acted."""

    def __init__(self, failure: Failure, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.failure = failure


class _SoundResponse(aiohttp.ClientResponse):
    """A response whose header has no flaw; else an error, and the connection serves no other request."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        await super().start(connection)
        flaw = headers.flaw(self.version or (0, 0), self.status, self.raw_headers)
        if flaw is not None:
            if protocol is not None:
                protocol.close()  # by now it may be back in the pool: the whole body can have come with the header
            raise aiohttp.ClientPayloadError(flaw)
        if protocol is not None and protocol.closed is not None and not self.content.is_eof():
            self._follow(protocol, protocol.closed)
        return self

    def _follow(self, protocol: ResponseHandler, closed: asyncio.Future[None]) -> None:
        """Let a body fail that is malformed further on: aiohttp closes the connection and leaves its reader waiting."""

        def lost(_closed: asyncio.Future[None]) -> None:
            if isinstance(protocol.exception(), HttpProcessingError) and not self.content.is_eof():
                self.content.set_exception(aiohttp.ClientPayloadError("the body is malformed"))

        def whole() -> None:
            closed.remove_done_callback(lost)

        closed.remove_done_callback(_seen)  # one is enough for all answers on this connection
        closed.add_done_callback(_seen)
        closed.add_done_callback(lost)
        self.content.on_eof(whole)


def _seen(closed: asyncio.Future[None]) -> None:
    """Look at how a connection ended, lest asyncio report that nobody did."""
    if not closed.cancelled():
        closed.exception()


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Turn aiohttp's errors into ours where they arise.

    Further out the client would repeat every GET, PUT and DELETE on its own, on the same endpoint and past the budget.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise CallFailed(Failure.UNSENT, error) from error
    except aiohttp.ClientError as error:
        raise CallFailed(Failure.UNKNOWN, error) from error


class Endpoint:
    """One pod."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.in_flight = 0
        self.retired = False
        host = f"[{address}]" if ":" in address else address
        self._base = f"http://{host}:{port}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS, use_dns_cache=False),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            auto_decompress=False,
            response_class=_SoundResponse,
            middlewares=(_once,),
            max_line_size=MAX_FIELD_BYTES,
            max_field_size=MAX_FIELD_BYTES,
        )

    async def open(self, call: Call, hop: tuple[str, str]) -> aiohttp.ClientResponse:
        """Send a call and return its answer once the header is there; `close` must follow. Raises CallFailed.

        `hop` is the field that differs from try to try.
        """
        self.in_flight += 1
        try:
            return await self._session.request(
                call.method,
                URL(self._base + call.target, encoded=True),
                headers=[*call.headers, hop],
                data=call.body or None,
                allow_redirects=False,
            )
        except BaseException:
            await self._ended()
            raise

    async def close(self, response: aiohttp.ClientResponse) -> None:
        """End a call: the connection goes back to the pool if the answer was read to its end, else it is cut."""
        response.close()
        await self._ended()

    async def retire(self) -> None:
        """Take no more calls; free the connections now or with the last call."""
        self.retired = True
        if self.in_flight == 0:
            await self._session.close()

    async def _ended(self) -> None:
        self.in_flight -= 1
        if self.retired and self.in_flight == 0:
            await self._session.close()


class Upstream:
    """The endpoints of one service."""

    def __init__(self, name: str, host: str, port: int, random: Random) -> None:
        self.name, self.host, self.port = name, host, port
        self.authority = f"{host}:{port}"
        self.budget = RetryBudget()
        self._ejections: Ejections[Endpoint] = Ejections()
        self._endpoints: dict[str, Endpoint] = {}
        self._random = random

    @property
    def size(self) -> int:
        """The number of endpoints that DNS names."""
        return len(self._endpoints)

    def ejected(self, now: float) -> int:
        """The number of endpoints left out now."""
        return self.size - len(self._ejections.admitted(list(self._endpoints.values()), now))

    async def update(self, addresses: Iterable[str]) -> None:
        """Follow DNS."""
        wanted = set(addresses)
        gone = self._endpoints.keys() - wanted
        new = wanted - self._endpoints.keys()
        if not gone and not new:
            return
        log.info("endpoints changed", upstream=self.name, endpoints=sorted(wanted), gone=sorted(gone))
        for address in new:
            self._endpoints[address] = Endpoint(address, self.port)
        for address in gone:
            endpoint = self._endpoints.pop(address)
            self._ejections.forget(endpoint)
            await endpoint.retire()

    def pick(self, now: float, tried: Endpoint | None = None) -> Endpoint | None:
        """Choose an endpoint for a call, never the one already tried; None if there is none."""
        return choose(self._ejections.admitted(list(self._endpoints.values()), now), self._random, tried)

    def succeeded(self, endpoint: Endpoint) -> None:
        """Report an answer that does not speak against the endpoint."""
        self._ejections.succeeded(endpoint)

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """Report a failure of an endpoint."""
        if not endpoint.retired:
            self._ejections.failed(endpoint, now)

    async def close(self) -> None:
        """Drop all endpoints."""
        await self.update(())
