"""A bare pika publisher on asyncio: `python -m benchmarks.services.bare_publisher <seconds> <in flight>`.

Publishes persistent, mandatory messages to a quorum queue of its own, so many without a confirm at a time, and prints
its figures as JSON. No HTTP, no validation, no task ids.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import pika
import uvloop
from benchmarks.services.bare import Timed
from pika.adapters.asyncio_connection import AsyncioConnection

_QUEUE = "bench.bare"
_BODY = b"x" * 300  # about as long as an accepted notification
_PROPERTIES = pika.BasicProperties(content_type="application/json", delivery_mode=2)


async def answer(call: Callable[[Callable[[Any], None]], Any]) -> Any:
    """What the broker answers to a call that takes a callback."""
    answered = asyncio.get_running_loop().create_future()
    call(answered.set_result)
    return await answered


class _Publishing:
    """Publishes until the time is up, a new message for each that is confirmed."""

    def __init__(self, channel: Any, seconds: float, timed: Timed) -> None:
        self._channel = channel
        self._timed = timed
        self._until = timed.began + seconds
        self._tag = 0
        self._sent: dict[int, float] = {}
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def publish(self) -> None:
        """Send one."""
        self._tag += 1
        self._sent[self._tag] = time.monotonic()
        self._channel.basic_publish("", _QUEUE, _BODY, _PROPERTIES, mandatory=True)

    def confirmed(self, frame: Any) -> None:
        """Count what the broker took, and send as many more."""
        method, now = frame.method, time.monotonic()
        if method.NAME != "Basic.Ack":
            self.done.set_exception(RuntimeError("the broker refused a message"))
            return
        tags = [tag for tag in self._sent if tag <= method.delivery_tag] if method.multiple else [method.delivery_tag]
        self._timed.latencies += [now - self._sent.pop(tag) for tag in tags]
        if now < self._until:
            for _ in tags:
                self.publish()
        elif not self._sent:
            self.done.set_result(None)


async def opened() -> Any:
    """A channel on a connection of its own."""
    parameters = pika.URLParameters(os.environ["QUEUE_URL"])
    parameters.credentials = pika.PlainCredentials("hcs", os.environ["QUEUE_PASSWORD"])
    loop = asyncio.get_running_loop()
    connection = await answer(lambda opened: AsyncioConnection(parameters, opened, custom_ioloop=loop))
    return await answer(lambda opened: connection.channel(on_open_callback=opened))


async def _run(seconds: float, in_flight: int) -> str:
    channel = await opened()
    arguments = {"x-queue-type": "quorum"}
    await answer(lambda declared: channel.queue_declare(_QUEUE, durable=True, arguments=arguments, callback=declared))
    publishing = _Publishing(channel, seconds, timed := Timed())
    await answer(lambda selected: channel.confirm_delivery(publishing.confirmed, selected))
    for _ in range(in_flight):
        publishing.publish()
    await publishing.done
    return timed.figures()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(_run(float(sys.argv[1]), int(sys.argv[2]))))
