"""One AMQP connection with one channel, as coroutines over pika's callbacks.

pika's asyncio adapter is the fastest Python client (00-overview), but it calls back; this module turns the few calls we
need into awaitables and gives the end of the connection, whatever its cause, one place: `Session.closed`.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.exceptions import AMQPError

from hcs_services.database.resolver import resolve
from hcs_services.queue.racing import first_open
from hcs_services.settings import MissingCredentialError, Settings

HEARTBEAT_SECONDS = 10
UNANSWERED_MILLISECONDS = 3000
"""A node that is gone without a word acknowledges nothing that is sent to it: its connection ends after so long, not
only when heartbeats are missed (RFC 5482)."""
CONNECT_SECONDS = 5.0
CALL_SECONDS = 10.0


class SessionLost(ConnectionError):
    """The connection or its channel is gone, could not be opened, or does not answer."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who we are; the password is read anew for each connection, so that it can be rotated."""

    url: str
    password: Callable[[], str]
    user: str = "hcs"

    @property
    def host(self) -> str:
        """The name that all of its nodes are behind."""
        return urlsplit(self.url).hostname or "localhost"

    def parameters(self, name: str, address: str) -> Any:
        """Connection parameters for pika; `name` is shown in the broker's management pages."""
        parts = urlsplit(self.url)
        return pika.ConnectionParameters(
            host=address,
            port=parts.port or 5672,
            virtual_host=unquote(parts.path[1:]) or "/",
            credentials=pika.PlainCredentials(self.user, self.password()),
            heartbeat=HEARTBEAT_SECONDS,
            connection_attempts=1,
            socket_timeout=CONNECT_SECONDS / 2,
            stack_timeout=CONNECT_SECONDS,
            blocked_connection_timeout=None,
            tcp_options={"TCP_USER_TIMEOUT": UNANSWERED_MILLISECONDS},
            client_properties={"connection_name": name},
        )


def broker_of(settings: Settings) -> Broker:
    """The stack's broker, with the mounted password."""
    return Broker(settings.queue_url, lambda: settings.credential("queue/password"))


class Session:
    """An open channel. `closed` resolves with the reason once the channel or its connection is gone."""

    def __init__(self, connection: Any, channel: Any) -> None:
        loop = asyncio.get_running_loop()
        self.channel = channel
        self.closed: asyncio.Future[str] = loop.create_future()
        self.blocked = False
        self._connection = connection
        self._calls: set[asyncio.Future[Any]] = set()
        channel.add_on_close_callback(lambda _channel, reason: self._lost(reason))
        connection.add_on_close_callback(lambda _connection, reason: self._lost(reason))
        connection.add_on_connection_blocked_callback(lambda *_: self._set_blocked(blocked=True))
        connection.add_on_connection_unblocked_callback(lambda *_: self._set_blocked(blocked=False))

    async def call(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run one synchronous AMQP method and return the broker's answer.

        Raises SessionLost when the channel closes meanwhile or no answer comes within CALL_SECONDS.
        """
        if self.closed.done():
            raise SessionLost(self.closed.result())
        answer, resolved = _answer()
        self._calls.add(answer)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                method(*args, callback=resolved, **options)
                return await answer
        except TimeoutError:
            raise SessionLost(f"the broker did not answer within {CALL_SECONDS:.0f} s") from None
        except AMQPError as error:
            raise SessionLost(repr(error)) from error
        finally:
            self._calls.discard(answer)

    async def close(self) -> None:
        """Close the connection; waits a moment for the broker's goodbye. Safe to repeat."""
        with contextlib.suppress(AMQPError):
            if not (self._connection.is_closed or self._connection.is_closing):
                self._connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.shield(self.closed)

    def _set_blocked(self, *, blocked: bool) -> None:
        self.blocked = blocked

    def _lost(self, reason: object) -> None:
        if self.closed.done():
            return
        self.closed.set_result(str(reason) or repr(reason))
        for answer in self._calls:
            if not answer.done():
                answer.set_exception(SessionLost(str(reason)))
        with contextlib.suppress(AMQPError):
            # A channel closed by the broker leaves its connection open; a session is the two together.
            if self._connection.is_open:
                self._connection.close()


async def connect(broker: Broker, name: str) -> Session:
    """Open a connection and a channel at one of the broker's nodes.

    Their addresses are asked for each time. Raises SessionLost with the cause (refused, password, time-out).
    """
    try:
        addresses = await resolve(broker.host)
    except OSError as error:
        raise SessionLost(f"{broker.host} could not be looked up: {error!r}") from error
    if not addresses:
        raise SessionLost(f"{broker.host} has no address")
    return await first_open(addresses, lambda address: _connect_to(broker, name, address))


async def _connect_to(broker: Broker, name: str, address: str) -> Session:
    opened, resolved = _answer()
    try:
        parameters = broker.parameters(name, address)
    except MissingCredentialError as error:
        raise SessionLost(str(error)) from error
    connection = AsyncioConnection(
        parameters,
        on_open_callback=resolved,
        on_open_error_callback=lambda _connection, error: resolved(error),
        custom_ioloop=asyncio.get_running_loop(),
    )
    try:
        async with asyncio.timeout(CONNECT_SECONDS + 1):
            outcome = await opened
            if outcome is not connection:
                raise SessionLost(_root(outcome))
            return Session(connection, await _open_channel(connection))
    except (TimeoutError, asyncio.CancelledError, AMQPError) as error:
        _abandon(connection)
        if isinstance(error, asyncio.CancelledError):
            raise
        raise SessionLost(repr(error)) from error


async def _open_channel(connection: Any) -> Any:
    opened, resolved = _answer()
    connection.channel(on_open_callback=resolved)
    return await opened


def _answer() -> tuple[asyncio.Future[Any], Callable[[Any], None]]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def resolved(value: Any) -> None:
        if not future.done():
            future.set_result(value)

    return future, resolved


def _root(error: Any) -> str:
    """The cause at the bottom of pika's nested reports, as `ConnectionRefusedError: …`."""
    for _ in range(8):
        inner = getattr(error, "exception", None) or next(reversed(getattr(error, "exceptions", None) or ()), None)
        inner = inner or (error.args[0] if error.args and isinstance(error.args[0], BaseException) else None)
        if inner is None:
            break
        error = inner
    return f"{type(error).__name__}: {error}"


def _abandon(connection: Any) -> None:
    with contextlib.suppress(AMQPError):
        if not (connection.is_closed or connection.is_closing):
            connection.close()
