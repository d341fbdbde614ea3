"""A load at a fixed rate: `python -m benchmarks.services.steady <seconds> <per second> <port> <requests>`.

Prints its figures as JSON. Each request has its time, whatever became of those before it, and its latency counts from
then: one that has to wait for a connection waits for the server.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from itertools import cycle
from pathlib import Path

import httptools
import uvloop
from benchmarks.services.bare import Timed
from benchmarks.services.wrk import CONNECTIONS


class Refused(Exception):
    """Not every request got its answer, so the latencies mean nothing."""


class _Load:
    """Requests that are due, and the connections that have nothing to do."""

    def __init__(self, requests: list[bytes], count: int, timed: Timed) -> None:
        self._requests = cycle(requests)
        self.idle: deque[_Connection] = deque()
        self.due: deque[float] = deque()
        self._latencies = timed.latencies
        self.failed: list[str] = []
        self._left = count
        self.done = asyncio.Event()

    def send(self) -> None:
        """Send what is due, as far as there are connections."""
        while self.due and self.idle:
            self.idle.popleft().ask(next(self._requests), self.due.popleft())

    def answered(self, connection: _Connection, latency: float) -> None:
        """Count it, and send what waits for a connection."""
        self._latencies.append(latency)
        self._left -= 1
        if not self._left:
            self.done.set()
        self.idle.append(connection)
        self.send()

    def fail(self, why: str) -> None:
        """Note why the run means nothing, and end it."""
        self.failed.append(why)
        self.done.set()


class _Connection(asyncio.Protocol):
    """One request at a time; httptools calls `on_message_complete`."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._load.idle.append(self)

    def ask(self, request: bytes, since: float) -> None:
        """Send a request that was due at `since`."""
        self._since, self._parser = since, httptools.HttpResponseParser(self)
        self._transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Any answer but a success ends the run."""
        if not 200 <= (status := self._parser.get_status_code()) < 300:
            self._load.fail(str(status))
        self._load.answered(self, time.monotonic() - self._since)

    def connection_lost(self, error: Exception | None) -> None:
        self._load.fail(f"the server closed: {error}")


async def _run(seconds: float, per_second: float, port: int, requests: list[bytes]) -> str:
    count, timed = round(per_second * seconds), Timed()
    load, loop = _Load(requests, count, timed), asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _Connection(load), "127.0.0.1", port)
    timed.begin()
    for number in range(count):
        at = timed.began + number / per_second
        if (early := at - time.monotonic()) > 0:
            await asyncio.sleep(early)
        load.due.append(at)
        load.send()
    await load.done.wait()
    if load.failed:
        raise Refused(f"{len(load.failed)} of {count}, the first: {load.failed[0]}")
    return timed.figures()


if __name__ == "__main__":
    asked = [one for one in Path(sys.argv[4]).read_bytes().split(b"\0") if one]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(_run(float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), asked)))
