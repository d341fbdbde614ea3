"""Confirmed publishing: a message is accepted when the broker says so, and never before.

One connection carries many publishes at once; each awaits its own confirm (pipelined confirms,
https://www.rabbitmq.com/docs/confirms). Every message is persistent and mandatory: one that no queue takes comes
back and fails its publish instead of vanishing.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pika
import structlog
from pika.exceptions import AMQPError

from hcs_services.queue.backoff import Backoff
from hcs_services.queue.session import Broker, Session, SessionLost, connect
from hcs_services.queue.topology import declare

log = structlog.get_logger(__name__)

Open = Callable[[], Awaitable[Session]]


@dataclass(frozen=True, slots=True)
class SilenceCheck:
    """How long, in seconds, a channel may publish to a queue and hear nothing of it, and how often that is looked at.

    A channel that first published to a quorum queue while its leader was cut off can stay without confirms for ever,
    also once there is a new leader (https://github.com/rabbitmq/rabbitmq-server/pull/14589); a new one gets them.
    """

    every: float = 1.0
    given_up_after: float = 5.0
    clock: Callable[[], float] = time.monotonic


class NotAccepted(Exception):
    """The broker did not confirm: returned, refused, no connection, or no answer in time (outcome then unknown)."""


class Publisher:
    """Publishes with confirms over one connection that `run` keeps open. Run it as a supervised task."""

    def __init__(
        self, broker: Broker, name: str, *, open_session: Open | None = None, silence_check: SilenceCheck | None = None
    ) -> None:
        self._open: Open = open_session or (lambda: connect(broker, name))
        self._silence_check = silence_check or SilenceCheck()
        self._backoff = Backoff()
        self._session: Session | None = None
        self._trouble = "not connected yet"
        self._ready = asyncio.Event()
        self._next_tag = 1
        self._waiting: dict[int, _Published] = {}
        self._silent_since: dict[_Route, float] = {}

    @property
    def connected(self) -> bool:
        """Whether a publish would find an open channel now."""
        return self._session is not None

    async def run(self) -> None:
        """Keep the connection open until cancelled; reconnects with back-off and declares the topology each time."""
        while True:
            try:
                session = await self._connect()
            except SessionLost as error:
                self._trouble = str(error)
                log.warning("queue connection failed", reason=self._trouble)
                await asyncio.sleep(self._backoff.next())
                continue
            try:
                log.warning("queue connection lost", reason=await self._end_of(session))
            finally:
                self._down("the connection was lost before the confirm")
                await session.close()
            await asyncio.sleep(self._backoff.next())

    async def publish(
        self,
        queue: str,
        body: bytes,
        headers: Mapping[str, Any] | None = None,
        timeout: float = 5.0,  # noqa: ASYNC109 - one deadline over connecting and confirming, so that callers need none
        *,
        exchange: str = "",
    ) -> None:
        """Publish and return once the broker has confirmed.

        `queue` is the routing key; `exchange` is the default one unless a wait exchange is named. `timeout` in seconds.
        Raises NotAccepted; after a time-out or a lost connection the message may be in the queue all the same.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
                await self._confirmed(exchange, queue, body, dict(headers or {}))
        except TimeoutError:
            if self.connected:
                raise NotAccepted(f"no confirm within {timeout:.1f} s") from None
            raise NotAccepted(f"no connection to the broker ({self._trouble})") from None

    async def _confirmed(self, exchange: str, queue: str, body: bytes, headers: dict[str, Any]) -> None:
        session = self._session
        if session is None:
            raise NotAccepted("the connection was lost before the publish")
        if session.blocked:
            raise NotAccepted("the broker takes no messages: memory or disk alarm")
        tag = self._next_tag
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # The broker returns the properties with an unroutable message: correlation_id finds its publish.
        properties = pika.BasicProperties(
            content_type="application/json", delivery_mode=2, correlation_id=str(tag), headers=headers
        )
        try:
            session.channel.basic_publish(exchange, queue, body, properties, mandatory=True)
        except AMQPError as error:
            raise NotAccepted(repr(error)) from error
        self._next_tag += 1
        self._waiting[tag] = _Published((exchange, queue), confirmed)
        self._silent_since.setdefault((exchange, queue), self._silence_check.clock())
        await confirmed  # whoever gives up leaves it in the table: its late confirm shows that the channel gets them

    async def _connect(self) -> Session:
        session = await self._open()
        try:
            await declare(session)
            session.channel.add_on_return_callback(self._on_return)
            await session.call(
                lambda callback: session.channel.confirm_delivery(self._on_confirm, callback),
            )
        except BaseException:
            with contextlib.suppress(Exception):
                await session.close()
            raise
        self._backoff.reset()
        self._session, self._next_tag = session, 1
        self._ready.set()
        log.info("queue connection open")
        return session

    async def _end_of(self, session: Session) -> str:
        """Return why the session ended, or why it is not worth keeping."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._silence_check.every):
                    return await asyncio.shield(session.closed)
            if session.blocked:
                # Under an alarm the broker reads nothing, on any connection: the time does not count.
                self._silent_since.clear()
            patience = self._silence_check.given_up_after
            earliest = self._silence_check.clock() - patience
            for (exchange, queue), since in self._silent_since.items():
                if since < earliest:
                    return f"no publish to {exchange or queue} was confirmed for {patience:.0f} s"

    def _down(self, reason: str) -> None:
        self._session = None
        self._ready.clear()
        self._silent_since.clear()
        waiting, self._waiting = self._waiting, {}
        for published in waiting.values():
            _settle(published.confirmed, NotAccepted(reason))

    def _on_return(self, _channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        # The return arrives before the confirm of the same message, so the confirm finds it settled.
        published = self._waiting.get(int(properties.correlation_id))
        if published is not None:
            told = f"returned by the broker: {method.reply_text} ({method.routing_key})"
            _settle(published.confirmed, NotAccepted(told))

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        failure = None if method.NAME == "Basic.Ack" else "refused by the broker (nack)"
        tags = (
            [tag for tag in self._waiting if tag <= method.delivery_tag] if method.multiple else [method.delivery_tag]
        )
        for tag in tags:
            published = self._waiting.pop(tag, None)
            if published is not None:
                self._silent_since.pop(published.route, None)
                _settle(published.confirmed, NotAccepted(failure) if failure else None)


_Route = tuple[str, str]
"""Exchange and routing key."""


@dataclass(frozen=True, slots=True)
class _Published:
    """One publish that waits for its confirm."""

    route: _Route
    confirmed: asyncio.Future[None]


def _settle(confirmed: asyncio.Future[None], failure: NotAccepted | None) -> None:
    if confirmed.done():
        return
    if failure is None:
        confirmed.set_result(None)
    else:
        confirmed.set_exception(failure)
