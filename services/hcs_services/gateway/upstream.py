"""An upstream: the pods that serve one part of the API, each with a pool of keep-alive connections of its own.

An endpoint that leaves DNS takes no new call; its pool is closed when its last call has ended.
"""

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

import structlog

from hcs_services.gateway.balance import choose
from hcs_services.gateway.ejection import Ejections
from hcs_services.gateway.pool import serialising
from hcs_services.gateway.pool.connection import Response
from hcs_services.gateway.pool.connections import Connections
from hcs_services.gateway.pool.failures import Broken, NotConnected
from hcs_services.gateway.retry import SAFE_METHODS, Failure, RetryBudget

log = structlog.get_logger(__name__)


class Call(NamedTuple):
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


class Endpoint:
    """One pod."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.in_flight = 0
        self.retired = False
        self._connections = Connections(address, port)

    async def open(self, call: Call, hop: tuple[str, str]) -> Response:
        """Send a call and return its answer once the header is there; `close` must follow. Raises CallFailed.

        `hop` is the field that differs from try to try. A call that fails, or is cancelled, ends its connection.
        """
        request = serialising.request(call.method, call.target, [*call.headers, hop], call.body)
        self.in_flight += 1
        connection = None
        try:
            connection = await self._connections.acquire(once=call.method not in SAFE_METHODS)
            return await connection.ask(request, to_head=call.method == "HEAD")
        except BaseException as error:
            self.in_flight -= 1
            if connection is not None:
                connection.abort()
            if isinstance(error, NotConnected):
                raise CallFailed(Failure.UNSENT, error) from error
            if isinstance(error, Broken):
                raise CallFailed(Failure.UNKNOWN, error) from error
            raise

    async def close(self, response: Response) -> None:
        """End a call: the connection goes back to the pool if the answer was read to its end, else it is cut."""
        self.in_flight -= 1
        self._connections.release(response.connection)

    def retire(self) -> None:
        """Take no more calls; free the connections now, or with the calls on them."""
        self.retired = True
        self._connections.close()


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
            endpoint.retire()

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
