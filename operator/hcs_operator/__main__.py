"""`python -m hcs_operator`: the composition root. Everything that does IO is made here and handed down."""

import asyncio
import sys
import time
from collections.abc import Callable

import aiohttp

from hcs_operator.act.carry_out import Hands
from hcs_operator.config import Config
from hcs_operator.decide.plan import Release
from hcs_operator.kube import aio
from hcs_operator.kube.port import Kube
from hcs_operator.mysql.client import MySQL
from hcs_operator.mysql.port import DatabasePort
from hcs_operator.observe.look import Eyes
from hcs_operator.observe.ports import QueuePort, ServicePort
from hcs_operator.observe.queue_http import ManagementApi
from hcs_operator.observe.service_http import AdminApi
from hcs_operator.observe.store import WatchStore
from hcs_operator.observe.warnings import Warnings
from hcs_operator.runtime import logs
from hcs_operator.runtime.metrics import Metrics
from hcs_operator.runtime.process import Process
from hcs_operator.runtime.queue import KeyedQueue
from hcs_operator.runtime.reconcile import Reconciler


def compose(
    config: Config,
    kube: Kube,
    database: DatabasePort,
    queue: QueuePort,
    services: ServicePort,
    clock: Callable[[], float] = time.time,
) -> Process:
    """Put a process together over these ports and a clock of Unix seconds; tests bring their own."""
    store, metrics = WatchStore(), Metrics()
    domain = config.cluster_domain
    reconciler = Reconciler(
        eyes=Eyes(kube, store, queue, services, domain, Warnings(kube), database),
        hands=Hands(kube, store, database, services, domain, clock),
        release=Release(config.images.model_dump(), domain, config.lease_namespace),
        metrics=metrics,
    )
    return Process(config, kube, reconciler, store, KeyedQueue(time.monotonic), metrics)


async def main() -> int:
    """Run one operator process against real engines; return its exit code."""
    config = Config()
    logs.configure(config.log_level)
    kube = aio.Client(await aio.configuration(config.kubeconfig))
    try:
        async with aiohttp.ClientSession() as session:
            process = compose(config, kube, MySQL(), ManagementApi(session), AdminApi(session))
            return await process.run()
    finally:
        await kube.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
