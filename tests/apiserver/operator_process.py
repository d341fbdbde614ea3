"""The operator as a process of its own, over a real API server and played engines.

HCS_TEST_WORLD names the engines' state. With HCS_TEST_KILL_AFTER=k the process dies, as by kill -9, right after its
k-th write to the API server other than the Lease's.

Processes are forks of one that has imported all of it: to import it takes longer than to make most of a stack.
"""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Mapping
from functools import cache
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from tests.apiserver.played_engines import PlayedDatabase, PlayedQueue, PlayedServices, World

from hcs_operator.__main__ import compose
from hcs_operator.config import Config
from hcs_operator.kube import aio
from hcs_operator.kube.port import CHILDREN, Document, Ref
from hcs_operator.runtime import logs


class Mortal(aio.Client):
    """The real client, which ends the process after a number of writes."""

    def __init__(self, settings: Any, writes: int) -> None:
        super().__init__(settings)
        self._writes, self._limit = itertools.count(1), writes

    def _wrote(self, kind: str) -> None:
        if self._limit and kind != "Lease" and next(self._writes) == self._limit:
            os.kill(os.getpid(), signal.SIGKILL)

    async def apply(
        self, document: Document, *, manager: str = CHILDREN, force: bool = True, subresource: str = ""
    ) -> dict[str, Any]:
        answer = await super().apply(document, manager=manager, force=force, subresource=subresource)
        self._wrote(document["kind"])
        return answer

    async def create(self, document: Document) -> dict[str, Any]:
        answer = await super().create(document)
        self._wrote(document["kind"])
        return answer

    async def delete(self, ref: Ref, uid: str, *, orphan: bool = False) -> None:
        await super().delete(ref, uid, orphan=orphan)
        self._wrote(ref.kind)

    async def evict(self, ref: Ref, uid: str) -> None:
        await super().evict(ref, uid)
        self._wrote(ref.kind)

    async def scale(self, ref: Ref, count: int) -> None:
        await super().scale(ref, count)
        self._wrote(ref.kind)


async def main() -> int:
    config = Config()
    logs.configure(config.log_level)
    world = World(Path(os.environ["HCS_TEST_WORLD"]))
    kube = Mortal(await aio.configuration(config.kubeconfig), int(os.environ.get("HCS_TEST_KILL_AFTER", "0")))
    try:
        process = compose(config, kube, PlayedDatabase(world), PlayedQueue(world), PlayedServices(world), world.now)
        return await process.run()
    finally:
        await kube.close()


def start(environment: Mapping[str, str], log: Path) -> BaseProcess:
    """Start an operator with these variables besides ours, and what it says in a file."""
    process = _forks().Process(target=_run, args=(environment, log))
    process.start()
    return process


@cache
def _forks() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return context


def _run(environment: Mapping[str, str], log: Path) -> None:
    os.environ.update(environment)
    with log.open("wb") as file:
        for output in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), output.fileno())
    sys.exit(asyncio.run(main()))
