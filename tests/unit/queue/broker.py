"""A broker played by the test: it confirms, refuses, returns, delivers and hangs up when told to."""

import asyncio
from types import SimpleNamespace
from typing import Any


class PlayedChannel:
    """The part of pika's channel that the queue package calls, with the broker's side in the test's hands."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str, bytes, Any]] = []
        self.settled: list[tuple[str, int]] = []
        self.consumers: dict[str, Any] = {}
        self.prefetch = 0
        self.windows: dict[str, int] = {}
        self.ready: dict[str, int] = {}
        self.on_return: Any = None
        self.on_confirm: Any = None
        self.on_cancel: Any = None
        self.closed_by_client = False

    def queue_declare(self, queue: str, *, callback: Any, **_options: Any) -> None:
        callback(SimpleNamespace(method=SimpleNamespace(message_count=self.ready.get(queue, 0))))

    def exchange_declare(self, *_args: Any, callback: Any, **_options: Any) -> None:
        callback(None)

    queue_bind = exchange_declare

    def basic_qos(self, *, prefetch_count: int, callback: Any) -> None:
        self.prefetch = prefetch_count
        callback(None)

    def confirm_delivery(self, on_confirm: Any, callback: Any) -> None:
        self.on_confirm = on_confirm
        callback(None)

    def add_on_return_callback(self, callback: Any) -> None:
        self.on_return = callback

    def add_on_cancel_callback(self, callback: Any) -> None:
        self.on_cancel = callback

    def basic_publish(self, exchange: str, key: str, body: bytes, properties: Any, *, mandatory: bool) -> None:
        assert mandatory
        self.published.append((exchange, key, body, properties))

    def basic_consume(self, queue: str, receive: Any, *, consumer_tag: str, callback: Any) -> None:
        self.consumers[queue] = (consumer_tag, receive)
        self.windows[queue] = self.prefetch
        callback(None)

    def basic_cancel(self, consumer_tag: str, *, callback: Any) -> None:
        self.consumers = {q: c for q, c in self.consumers.items() if c[0] != consumer_tag}
        callback(None)

    def basic_ack(self, tag: int) -> None:
        self.settled.append(("ack", tag))

    def basic_nack(self, tag: int, *, requeue: bool) -> None:
        assert requeue
        self.settled.append(("requeue", tag))

    def close(self) -> None:
        self.closed_by_client = True

    def confirm(self, tag: int, *, multiple: bool = False, name: str = "Basic.Ack") -> None:
        method = SimpleNamespace(NAME=name, delivery_tag=tag, multiple=multiple)
        self.on_confirm(SimpleNamespace(method=method))

    def send_back(self, index: int) -> None:
        _, key, body, properties = self.published[index]
        self.on_return(self, SimpleNamespace(reply_text="NO_ROUTE", routing_key=key), properties, body)

    def deliver(self, queue: str, tag: int, body: bytes = b"{}", headers: dict[str, Any] | None = None) -> None:
        method = SimpleNamespace(delivery_tag=tag, redelivered=False)
        self.consumers[queue][1](self, method, SimpleNamespace(headers=headers), body)


class PlayedSession:
    """A session on such a channel."""

    def __init__(self) -> None:
        self.channel: Any = PlayedChannel()
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.blocked = False

    async def call(self, method: Any, *args: Any, **options: Any) -> Any:
        answer = asyncio.get_running_loop().create_future()
        method(*args, callback=answer.set_result, **options)
        return await answer

    async def close(self) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        if not self.closed.done():
            self.closed.set_result("gone")


class PlayedBroker:
    """Opens a new session each time it is asked, and remembers them."""

    def __init__(self) -> None:
        self.sessions: list[PlayedSession] = []

    async def open(self) -> Any:
        session = PlayedSession()
        self.sessions.append(session)
        return session

    @property
    def channel(self) -> PlayedChannel:
        channel: PlayedChannel = self.sessions[-1].channel
        return channel
