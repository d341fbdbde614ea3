"""Consuming the class queues over one connection that reconnects, can pause for a drain, and notices when it is stuck.

Deliveries are handed to a callback at once; whoever gets one settles it with `ack` or `requeue`. After a reconnect the
broker delivers again what was not settled, and settling the old delivery does nothing.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import structlog
from pika.exceptions import AMQPError

from hcs_services.queue.backoff import Backoff
from hcs_services.queue.session import Broker, Session, SessionLost, connect
from hcs_services.queue.topology import declare

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StuckCheck:
    """How often, in seconds, a silent queue is looked at, and how long messages may be ready without a delivery."""

    every: float = 10.0
    stuck_after: float = 30.0
    clock: Callable[[], float] = time.monotonic


class ConsumerStuck(RuntimeError):
    """Messages are ready, the prefetch window is open, and still nothing comes: the process should be restarted."""


@dataclass(slots=True, eq=False)
class Delivery:
    """One message in our hands; settle it once."""

    queue: str
    body: bytes
    headers: dict[str, Any]
    redelivered: bool
    _tag: int = field(repr=False)
    _consumer: "Consumer" = field(repr=False)
    _session: Session = field(repr=False)

    def ack(self) -> bool:
        """Tell the broker it is done. False if the connection it came on is gone (it will be delivered again)."""
        return self._consumer._settle(self, lambda channel: channel.basic_ack(self._tag))  # noqa: SLF001

    def requeue(self) -> bool:
        """Give it back unstarted, at the head of its queue. False as for `ack`."""
        return self._consumer._settle(self, lambda channel: channel.basic_nack(self._tag, requeue=True))  # noqa: SLF001


@dataclass(slots=True)
class _Flow:
    """One queue: how many unsettled messages of it may be held, and what stuck detection knows."""

    window: int
    held: int = 0
    last_delivery: float = 0.0


class Consumer:
    """Consumes `queues`, at most `prefetch` unsettled messages of each. `run` it as a supervised task."""

    def __init__(
        self,
        broker: Broker,
        name: str,
        queues: Sequence[str],
        prefetch: int,
        on_delivery: Callable[[Delivery], None],
        *,
        open_session: Callable[[], Awaitable[Session]] | None = None,
        stuck_check: StuckCheck | None = None,
    ) -> None:
        self._open = open_session or (lambda: connect(broker, name))
        self._on_delivery = on_delivery
        self._stuck_check = stuck_check or StuckCheck()
        self._clock = self._stuck_check.clock
        self._backoff = Backoff()
        self._flows = {queue: _Flow(prefetch) for queue in queues}
        self._tags: dict[str, str] = {}
        self._numbers = count()
        self._session: Session | None = None
        self._paused = False
        self._lock = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether the connection is open, consuming or paused."""
        return self._session is not None

    @property
    def paused(self) -> bool:
        """Whether it was told to take nothing new."""
        return self._paused

    async def run(self) -> None:
        """Consume until cancelled. Raises ConsumerStuck; everything else is a reason to reconnect."""
        while True:
            session: Session | None = None
            try:
                session = await self._open()
                await self._start(session)
                await self._watch(session)
            except SessionLost as error:
                log.warning("queue consumer lost its connection", reason=str(error))
            finally:
                self._session, self._tags = None, {}
                for flow in self._flows.values():
                    flow.held = 0
                if session is not None:
                    await session.close()
            await asyncio.sleep(self._backoff.next())

    async def pause(self) -> None:
        """Take nothing new; what was delivered stays ours to finish. Returns once the broker has confirmed."""
        async with self._lock:
            self._paused = True
            with contextlib.suppress(SessionLost):
                await self._cancel()

    async def resume(self) -> None:
        """Consume again after `pause`."""
        async with self._lock:
            self._paused = False
            if self._session is not None:
                with contextlib.suppress(SessionLost):
                    await self._consume(self._session)

    async def resize(self, queue: str, window: int) -> None:
        """Hold at most so many unsettled messages of a queue. What is held already stays, beside them."""
        async with self._lock:
            self._flows[queue].window = window
            session, tag = self._session, self._tags.pop(queue, None)
            if session is not None and tag is not None:
                try:
                    await session.call(session.channel.basic_cancel, tag)
                    await self._consume(session)
                except SessionLost:
                    await session.close()  # a broker that is late with this would leave nobody consuming

    async def _start(self, session: Session) -> None:
        await declare(session)
        session.channel.add_on_cancel_callback(lambda _frame: self._cancelled_by_broker(session))
        async with self._lock:
            self._session = session
            if not self._paused:
                await self._consume(session)
        self._backoff.reset()
        windows = {queue: flow.window for queue, flow in self._flows.items()}
        log.info("queue consumer open", prefetch=windows, paused=self._paused)

    async def _consume(self, session: Session) -> None:
        for queue, flow in self._flows.items():
            if queue in self._tags:
                continue
            flow.last_delivery = self._clock()
            # never one that was used: what a quorum queue's earlier consumer holds would be counted as this one's
            tag = f"{queue}-{next(self._numbers)}"
            self._tags[queue] = tag
            # a channel's prefetch is that of each consumer which begins after it
            await session.call(session.channel.basic_qos, prefetch_count=flow.window)
            await session.call(session.channel.basic_consume, queue, self._receiver(queue, session), consumer_tag=tag)

    async def _cancel(self) -> None:
        tags, self._tags = self._tags, {}
        if self._session is not None:
            for tag in tags.values():
                await self._session.call(self._session.channel.basic_cancel, tag)

    def _cancelled_by_broker(self, session: Session) -> None:
        # The queue went away or its leader moved: start over, which declares the queue again.
        log.warning("the broker cancelled a consumer")
        with contextlib.suppress(AMQPError):
            session.channel.close()

    def _receiver(self, queue: str, session: Session) -> Callable[..., None]:
        flow = self._flows[queue]

        def receive(_channel: Any, method: Any, properties: Any, body: bytes) -> None:
            flow.held += 1
            flow.last_delivery = self._clock()
            headers = dict(properties.headers or {})
            self._on_delivery(Delivery(queue, body, headers, method.redelivered, method.delivery_tag, self, session))

        return receive

    def _settle(self, delivery: Delivery, send: Callable[[Any], None]) -> bool:
        if delivery._session is not self._session:  # noqa: SLF001 - a delivery of a connection that is gone
            return False
        try:
            send(delivery._session.channel)  # noqa: SLF001
        except AMQPError:
            return False
        self._flows[delivery.queue].held -= 1
        return True

    async def _watch(self, session: Session) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._stuck_check.every):
                    raise SessionLost(await asyncio.shield(session.closed))
            if not self._paused:
                await self._check(session)

    async def _check(self, session: Session) -> None:
        for queue, flow in self._flows.items():
            idle = self._clock() - flow.last_delivery
            if flow.held >= flow.window or idle < self._stuck_check.stuck_after:
                continue
            answer = await session.call(session.channel.queue_declare, queue, passive=True)
            ready = answer.method.message_count
            if ready == 0:
                flow.last_delivery = self._clock()
            elif not self._paused and queue in self._tags:
                raise ConsumerStuck(f"{queue} has {ready} messages ready and delivered none for {idle:.0f} s")
