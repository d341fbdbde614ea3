"""The worker: takes tasks from the class queues and gives each its one effect."""

from __future__ import annotations

import asyncio
import time

from hcs_services.admin import Admin, SelftestResult
from hcs_services.cache import EntityCache
from hcs_services.database.errors import DatabaseFailure
from hcs_services.database.members import PrimaryPool
from hcs_services.database.outage import told_as_outage
from hcs_services.database.readers import ReaderPool
from hcs_services.identifiers import TASK_TYPES
from hcs_services.object_store import from_settings as object_store
from hcs_services.queue import Consumer, Delivery, Publisher
from hcs_services.queue.session import broker_of
from hcs_services.queue.topology import CLASS_QUEUES
from hcs_services.server import Background, Tier
from hcs_services.settings import Settings
from hcs_services.worker import handlers
from hcs_services.worker.drain import Drain
from hcs_services.worker.intake import Intake
from hcs_services.worker.order_reads import ReplicaOrderReads
from hcs_services.worker.payment_provider import HttpPaymentProvider
from hcs_services.worker.ports import Ports
from hcs_services.worker.prefetch import Prefetch
from hcs_services.worker.registry import HANDLERS
from hcs_services.worker.runner import Runner
from hcs_services.worker.smtp import SmtpMailer

__all__ = ["build", "handlers"]

_STOP_MARGIN_SECONDS = 5.0
_PRIMARY_SECONDS = 1.5  # the self-test's, within the admin port's bound


class Worker:
    """The parts of one worker process, wired; `start` and `stop` are the tier's."""

    def __init__(self, settings: Settings, admin: Admin) -> None:
        self._settings = settings
        self._admin = admin
        self._primary = PrimaryPool.of(settings, "hcs_app")
        self._readers = ReaderPool.of(settings, "hcs_read", self._primary)
        self._cache = EntityCache.open(settings)
        self._provider = _provider(settings)
        self._store = object_store(settings)
        reads = ReplicaOrderReads(self._primary, self._readers)
        ports = Ports(self._primary, reads, _mailer(settings), self._provider, self._store)
        self._publisher = Publisher(broker_of(settings), f"{settings.stack}-worker-publish")
        self._runner = Runner(HANDLERS, ports, self._cache, self._publisher.publish)
        self._prefetch = Prefetch(CLASS_QUEUES, settings.worker_concurrency, settings.worker_prefetch)
        self._intake = Intake(self._timed, settings.worker_concurrency)
        self._consumer = Consumer(
            broker_of(settings),
            f"{settings.stack}-worker",
            CLASS_QUEUES,
            settings.worker_prefetch,
            self._intake.take,
        )
        self._drain = Drain(self._consumer, self._intake, lambda: settings.credential("tokens/drain"))

    async def start(self, background: Background) -> None:
        """Begin consuming; the pools find their engines in the background."""
        self._admin.add_route("GET", "/inflight", self._drain.inflight_route)
        self._admin.add_route("POST", "/drain", self._drain.drain_route)
        self._admin.selftest = self.selftest
        background.spawn("primary", self._primary.watch())
        background.spawn("readers", self._readers.watch())
        background.spawn("publisher", self._publisher.run())
        background.spawn("deliveries", self._intake.supervise())
        background.spawn("consumer", self._consumer.run())
        background.spawn("prefetch", self._prefetch.follow(self._consumer))

    async def _timed(self, delivery: Delivery) -> None:
        started = time.perf_counter()
        try:
            await self._runner.run(delivery)
        finally:
            self._prefetch.took(delivery.queue, time.perf_counter() - started)

    async def stop(self) -> None:
        """Take nothing new, give back what was not started, finish the rest."""
        self._drain.cancel()
        self._runner.stopping.set()
        await self._consumer.pause()
        self._intake.give_back()
        await self._intake.idle(HANDLERS.longest_seconds + _STOP_MARGIN_SECONDS)
        if self._provider is not None:
            await self._provider.close()
        if self._store is not None:
            await self._store.close()
        await asyncio.gather(self._readers.close(), self._cache.close())
        await self._primary.close()

    async def selftest(self) -> SelftestResult:
        """Whether a task delivered now could be brought to its end: broker both ways, and a primary that answers."""
        data = {"inflight": float(self._intake.in_flight)}
        if not (self._consumer.connected and self._publisher.connected):
            return SelftestResult(
                ok=False, reason="QueueUnavailable", message="No connection to the broker.", data=data
            )
        try:
            with told_as_outage():
                async with asyncio.timeout(_PRIMARY_SECONDS), self._primary.connection() as connection:
                    await connection.fetch_one("SELECT 1 AS answer")
        except DatabaseFailure as error:
            why = str(error) or f"none within {_PRIMARY_SECONDS} s"
            message = f"No primary answers: {why}."
            return SelftestResult(ok=False, reason="DatabaseUnavailable", message=message, data=data)
        return SelftestResult(ok=True, reason="Consuming", message="Broker and primary answer.", data=data)


def _mailer(settings: Settings) -> SmtpMailer | None:
    """The mailer, None where the stack names no mail server. Raises ValueError for a URL that is none."""
    if settings.email_url is None:
        return None
    return SmtpMailer(settings.email_url, lambda: _email_credentials(settings))


def _provider(settings: Settings) -> HttpPaymentProvider | None:
    """The payment provider, None where the stack names none."""
    if settings.payment_url is None:
        return None
    return HttpPaymentProvider(settings.payment_url, lambda: settings.optional_credential("payment/token"))


def _email_credentials(settings: Settings) -> tuple[str, str] | None:
    user = settings.optional_credential("email/username")
    password = settings.optional_credential("email/password")
    return (user, password) if user is not None and password is not None else None


def build(settings: Settings) -> Tier:
    """The worker tier. Raises ValueError where a task type has no handler or a URL is none."""
    HANDLERS.require(TASK_TYPES)
    admin = Admin()
    worker: list[Worker] = []

    async def start(background: Background) -> None:
        worker.append(Worker(settings, admin))
        await worker[0].start(background)

    async def stop() -> None:
        await worker[0].stop()

    _mailer(settings)  # a bad URL is found before anything starts
    return Tier(None, admin, start, stop)
