"""One operator process from start to end: wait for the lease, then watch and work until told to stop, or until it
breaks.

Nothing is repaired inside the process: a dead task, a lost lease or an escaped exception ends it, and the kubelet
starts it anew.
"""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field

import structlog

from hcs_operator.config import Config
from hcs_operator.kube import aio
from hcs_operator.kube.port import Kube, Ref
from hcs_operator.observe.store import Key, WatchStore
from hcs_operator.runtime import triggers
from hcs_operator.runtime.lease import Election
from hcs_operator.runtime.metrics import Metrics
from hcs_operator.runtime.probes import STUCK, Probes
from hcs_operator.runtime.queue import Handler, KeyedQueue
from hcs_operator.runtime.resync import first_read, resync

log = structlog.get_logger(__name__)


@dataclass
class Process:
    """The parts that live as long as the process; `handler` looks at one stack."""

    config: Config
    kube: Kube
    handler: Handler[Key]
    store: WatchStore
    queue: KeyedQueue[Key]
    metrics: Metrics
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    async def run(self) -> int:
        """Run until SIGTERM (returns 0) or until something breaks (returns 1)."""
        self._catch_signals()
        self.metrics.watch_queue(self.queue.depth, self.queue.oldest_age, lambda: self.queue.retries)
        probes = Probes(self.metrics, self._trouble)
        admin = await probes.start(self.config.admin_port)
        config = self.config
        identity = config.identity or f"{socket.gethostname()}_{os.getpid()}"
        lease = Ref("Lease", config.lease_namespace, config.lease_name)
        election = Election(self.kube, lease, identity, time.monotonic)
        probes.ready = True
        try:
            if not await self._first(election.acquire()):
                return 0
            self.metrics.leading.set(1)
            return await self._lead(election)
        finally:
            await self._end()
            await election.release()
            await admin.cleanup()

    async def _lead(self, election: Election) -> int:
        """Do the work until stopped or broken."""
        self._spawn("lease", election.hold())
        if not await self._first(first_read(self.kube, self.store, self.config.namespaces)):
            return 0
        for key in self.store.stacks():
            self.queue.add(key)
        handlers = triggers.registry(self.store, self.queue, self._sign_in, self.config)
        self._spawn("resync", resync(self.kube, self.store, self.queue, self.config.namespaces))
        for number in range(self.config.workers):
            self._spawn(f"worker-{number}", self.queue.work(self.handler))
        self._spawn("watch", triggers.watch(handlers, self.config, self._catch_signals))
        stopped = asyncio.create_task(self.stop.wait())
        await asyncio.wait([stopped, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if self.stop.is_set():
            return 0
        for task in self._tasks:
            if task.done():
                error = None if task.cancelled() else task.exception()
                log.error("task_ended", task=task.get_name(), error=repr(error))
        return 1

    async def _first(self, wanted: Awaitable[None]) -> bool:
        """Wait for this or for the signal to stop; return whether it was this."""
        task, stopped = asyncio.ensure_future(wanted), asyncio.create_task(self.stop.wait())
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        done = task.done()
        task.cancel()
        stopped.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)
        if done:
            task.result()
        return done

    async def _end(self) -> None:
        """Cancel what still runs and wait for it: a cancelled kopf must be awaited."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, name: str, work: Awaitable[None]) -> None:
        self._tasks.append(asyncio.ensure_future(work))
        self._tasks[-1].set_name(name)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)

    def _trouble(self) -> str | None:
        """Say why the kubelet should start the process anew."""
        dead = [task.get_name() for task in self._tasks if task.done()]
        if dead:
            return f"ended: {', '.join(dead)}"
        age = self.queue.oldest_age()
        return f"an item has waited for {age:.0f} s" if age > STUCK else None

    async def _sign_in(self) -> aio.Login:
        return await aio.login(self.config.kubeconfig)
