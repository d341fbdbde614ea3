"""A worker whose process can be killed before any of its steps, over a real database.

Every call that leaves the runner (a transaction's begin and commit, a charge, a mail, a publish, the cache, the
acknowledgement) is a numbered step; `Steps(k)` raises at step k, as a crash would: nothing after it happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from hcs_services.database.connection import Connection
from hcs_services.database.members import PrimaryPool
from hcs_services.identifiers import public_order_id
from hcs_services.queue import Delivery, TaskMessage
from hcs_services.queue.topology import queue_for
from hcs_services.worker.order_reads import ReplicaOrderReads
from hcs_services.worker.ports import Charge, Mail, Ports
from hcs_services.worker.registry import HANDLERS
from hcs_services.worker.runner import Runner
from hcs_services.worker.task import DECLINED, Permanent, Transient


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Steps:
    """Counts steps and crashes before number `at`, whoever takes it; nobody takes another one after that."""

    at: int | None = None
    taken: list[str] = field(default_factory=list)
    crash: Crash | None = None
    crashed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, name: str) -> None:
        if len(self.taken) == self.at:
            self.crash = self.crash or Crash(name)
            self.crashed.set()
            raise self.crash
        self.taken.append(name)


class SteppedPool:
    """The real pool, with a step before begin, before commit and after it."""

    def __init__(self, pool: PrimaryPool, steps: Steps) -> None:
        self._pool = pool
        self._step = steps

    @contextlib.asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[Connection]:
        self._step("begin")
        async with self._pool.transaction(**options) as connection:
            yield connection
            self._step("commit")
        self._step("committed")

    def connection(self) -> Any:
        return self._pool.connection()


class Provider:
    """A payment provider that charges once a key, declines `tok_declined`, and is down for `tok_down`."""

    def __init__(self) -> None:
        self.charges: dict[str, str] = {}
        self.refunds: dict[str, str] = {}
        self.unclear = False
        self._numbers = itertools.count(1)

    async def charge(self, charge: Charge) -> str:
        if charge.method_token.startswith("tok_declined"):
            raise Permanent(DECLINED, "declined")
        if charge.method_token.startswith("tok_down"):
            raise Transient("provider", "503")
        if charge.key not in self.charges:
            self.charges[charge.key] = f"ch-{id(self):x}-{next(self._numbers)}"
        if self.unclear:
            raise Transient("provider", "no answer", unclear=True)
        return self.charges[charge.key]

    async def refund(self, key: str, charge_id: str) -> None:
        self.refunds[key] = charge_id


@dataclass
class Outside:
    """The world outside the worker, which outlives its crashes."""

    provider: Provider = field(default_factory=Provider)
    mails: list[Mail] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    puts: list[str] = field(default_factory=list)
    published: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    cached: list[Any] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)


class SteppedWorker:
    """One life of a worker process: the runner between `Outside` and the database, with steps."""

    def __init__(self, pool: PrimaryPool, outside: Outside, steps: Steps, *, store: bool = False) -> None:
        self.outside = outside
        self.step = steps
        stepped = cast("PrimaryPool", SteppedPool(pool, steps))
        reads = ReplicaOrderReads(pool, cast("Any", _NoReaders()))
        ports = Ports(stepped, reads, self, self, self if store else None)
        self.runner = Runner(HANDLERS, ports, self, self.publish)

    async def run(self, message: TaskMessage, headers: dict[str, Any] | None = None, *, again: bool = False) -> None:
        """Bring one delivery to its end, or raise Crash; `again`: the broker says that it delivered it before."""
        delivery = PlayedDelivery(message, headers or {}, redelivered=again, worker=self)
        run = asyncio.create_task(self.runner.run(delivery))
        crash = asyncio.create_task(self.step.crashed.wait())
        await asyncio.wait([run, crash], return_when=asyncio.FIRST_COMPLETED)
        crash.cancel()
        if self.step.crash is not None:  # perhaps in a group's transaction, which is not the delivery's own
            run.cancel()
            await asyncio.wait([run])
            raise self.step.crash
        await run

    async def send(self, mail: Mail) -> None:
        self.step("send")
        self.outside.mails.append(mail)
        self.step("sent")

    async def charge(self, charge: Charge) -> str:
        self.step("charge")
        charge_id = await self.outside.provider.charge(charge)
        self.step("charged")
        return charge_id

    async def refund(self, key: str, charge_id: str) -> None:
        self.step("refund")
        await self.outside.provider.refund(key, charge_id)
        self.step("refunded")

    async def put_if_absent(self, key: str, body: bytes, content_type: str) -> bool:
        self.step("put")
        assert content_type
        absent = key not in self.outside.objects
        if absent:
            self.outside.objects[key] = body
            self.outside.puts.append(key)
        self.step("put done")
        return absent

    async def get(self, key: str) -> bytes | None:
        return self.outside.objects.get(key)

    async def put_many(self, changes: Any) -> bool:
        self.step("cache")
        self.outside.cached += changes
        return True

    async def publish(
        self,
        queue: str,
        body: bytes,
        headers: dict[str, Any],
        timeout: float,  # noqa: ASYNC109 - the publisher's own
        *,
        exchange: str = "",
    ) -> None:
        assert body
        assert timeout > 0
        self.step("publish")
        self.outside.published.append((exchange, queue, headers))
        self.step("published")


class _NoReaders:
    @contextlib.asynccontextmanager
    async def reader(self, _gtid: str | None = None) -> AsyncIterator[Connection]:
        from hcs_services.database.errors import NoReader

        raise NoReader("none")
        yield


class PlayedDelivery(Delivery):
    """A delivery whose settlement is a step."""

    def __init__(
        self, message: TaskMessage, headers: dict[str, Any], *, redelivered: bool, worker: SteppedWorker
    ) -> None:
        super().__init__(
            queue_for(message.type), message.encode(), headers, redelivered, 1, cast("Any", None), cast("Any", None)
        )
        self._worker = worker

    def ack(self) -> bool:
        self._worker.step("ack")
        self._worker.outside.settled.append("ack")
        return True

    def requeue(self) -> bool:
        self._worker.outside.settled.append("requeue")
        return True


async def run_to_its_end(
    pool: PrimaryPool,
    outside: Outside,
    message: TaskMessage,
    *,
    crash_at: int | None = None,
    headers: dict[str, Any] | None = None,
    store: bool = False,
) -> bool:
    """Deliver until acknowledged, with one crash on the way; False if there is no step of that number any more."""
    try:
        await SteppedWorker(pool, outside, Steps(crash_at), store=store).run(message, headers)
    except Crash:
        await SteppedWorker(pool, outside, Steps(), store=store).run(message, headers, again=True)
        return True
    return False


async def every_crash(check: Callable[[int], Any]) -> int:
    """Run `check(k)` for every step k until it says that there is no such step; how many there were."""
    for k in range(40):
        if not await check(k):
            return k
    raise AssertionError("a task of forty steps?")


def task(task_type: str, payload: dict[str, Any], task_id: str) -> TaskMessage:
    """A message accepted now."""
    return TaskMessage(task_id, task_type, payload, datetime.now(UTC))


def cents(text: str) -> Decimal:
    """An amount."""
    return Decimal(text).quantize(Decimal("0.01"))


def payment(order_id: int, amount: str = "19.90", token: str = "tok_ok") -> dict[str, Any]:
    """The payload of a payment."""
    return {"order_id": public_order_id(order_id), "amount": amount, "currency": "EUR", "method_token": token}


async def cancel(pool: PrimaryPool, order_id: int) -> None:
    """Cancel an order's row, as the write API would."""
    async with pool.connection() as connection:
        await connection.execute("UPDATE orders SET status='CANCELLED' WHERE order_id=%s", (order_id,))
