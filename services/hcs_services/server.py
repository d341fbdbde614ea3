"""One process: the service on 8080, the admin port on 9090, background tasks, and a quiet end on SIGTERM.

SIGTERM: `/readyz` turns 503 and every answer says `Connection: close`, but new requests are still served while load
balancers take notice (`drain_seconds`); then listeners close, requests in flight finish within the grace, exit 0.
A background task that ends by itself is a fault: the process ends with 1 and the kubelet starts it anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
import uvicorn

from hcs_services.admin import Admin
from hcs_services.http_cycle import ServerConfig
from hcs_services.http_protocol import LimitedHttpProtocol
from hcs_services.settings import Settings

_log = structlog.get_logger(__name__)


class Background:
    """Supervises tasks that run as long as the process: the first that ends or fails is its end."""

    def __init__(self) -> None:
        self.failed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work`, which must not end before `stop`."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """Cancel what runs and wait for it."""
        self._stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._stopping or task.cancelled():
            return
        error = task.exception()
        _log.error("background task ended", task=task.get_name(), exc_info=error)
        self.failed.set()


@dataclass(frozen=True, slots=True)
class Tier:
    """What a tier's `build(settings)` returns. `app` is None where nothing is served on 8080 (the worker)."""

    app: Any | None
    admin: Admin
    start: Callable[[Background], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]


async def serve(
    app: Any | None,
    *,
    admin: Admin,
    settings: Settings,
    on_start: Callable[[Background], Awaitable[None]],
    on_stop: Callable[[], Awaitable[None]],
) -> int:
    """Serve until SIGTERM or SIGINT; returns the process's exit code."""
    background = Background()
    servers = [_server(admin, settings.admin_port, settings)]
    if app is not None:
        servers.append(_server(app, settings.http_port, settings))
    stop = _signalled()
    background.spawn("loop-lag", admin.watch_loop())
    running = [asyncio.create_task(servers[0].serve())]
    try:
        await on_start(background)
        tune_collector()
        running += [asyncio.create_task(server.serve()) for server in servers[1:]]
        await _until_listening(servers[1:], running[1:])
        admin.started = True
        await _first(stop, background.failed, running)
        admin.draining = True
        for server in servers[1:]:
            server.config.draining = True
        # nothing is balanced to a tier without HTTP: a worker stops taking tasks at once
        await asyncio.sleep(0 if app is None or background.failed.is_set() else settings.drain_seconds)
        # the service first: probes and metrics answer until its last request is done
        await _shut(servers[1:], running[1:], settings.grace_seconds)
        await on_stop()
    finally:
        await background.stop()
        await _shut(servers[:1], running[:1], 1)
    return 1 if background.failed.is_set() else 0


def run(tier: Tier, settings: Settings) -> int:
    """Run a tier on a fresh uvloop; returns the exit code."""
    import uvloop  # noqa: PLC0415 - not needed by whoever imports Background or Tier

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(tier.app, admin=tier.admin, settings=settings, on_start=tier.start, on_stop=tier.stop))


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: two of them share this loop, and `serve` decides when each stops."""

    config: ServerConfig

    def __init__(self, config: ServerConfig) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: Any, port: int, settings: Settings) -> _Server:
    config = ServerConfig(
        app,
        host="0.0.0.0",
        port=port,
        http=LimitedHttpProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=75,  # longer than any client's or gateway's own, so that the client closes first
        timeout_graceful_shutdown=max(1, int(settings.grace_seconds)),
    )
    return _Server(config)


def _signalled() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _first(stop: asyncio.Event, failed: asyncio.Event, running: list[asyncio.Task[None]]) -> None:
    """Wait for the signal, for a dead background task, or for a server that could not go on (its port is taken)."""
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(failed.wait())]
    await asyncio.wait([*waits, *running], return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if any(task.done() for task in running):
        failed.set()


async def _until_listening(servers: list[_Server], running: list[asyncio.Task[None]]) -> None:
    """Return once each takes connections, or has ended because it cannot: nobody is ready before."""
    for server, task in zip(servers, running, strict=True):
        listening = asyncio.create_task(server.listening.wait())
        await asyncio.wait([listening, task], return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()


async def _shut(servers: list[_Server], running: list[asyncio.Task[None]], grace: float) -> None:
    for server in servers:
        server.should_exit = True
    if running:
        await asyncio.wait(running, timeout=grace + 1)


def tune_collector() -> None:
    """Start-up objects live for ever: keep the cyclic collector away from them.

    What that and the other loop bring is measured: the row of start-up tuning in docs/performance.md.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def fail(message: str) -> int:
    """Say in one line why the process cannot run, on standard error; returns exit code 2."""
    sys.stderr.write(f"hcs_services: {message}\n")
    return 2
