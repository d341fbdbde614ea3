"""One delivery from the queue to its end: once done, waiting for another try, or dead with a reason.

The order of the steps is what makes a crash between any two of them harmless:

1. note the task as running (or find that it has ended: then only the missing acknowledgement is made up for);
2. `prepare`: the outside part, which recognises a repetition by its key;
3. one transaction: inbox row, effect, the task's row (perhaps shared with other deliveries, as is that of step 1);
4. after the commit: cache, then the acknowledgement. A redelivery finds the inbox row and does nothing.

A failure is noted first, then the message is published to its wait queue or to the dead-letter queue, and only after
the broker's confirm is the delivery acknowledged. A database or broker outage costs no tries: the step is repeated
until it is possible, or given back to the queue when the process stops.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import structlog
from prometheus_client import Counter, Histogram
from pydantic import ValidationError

from hcs_services import request_context
from hcs_services.database.errors import DatabaseFailure
from hcs_services.queue import Delivery, MalformedMessage, NotAccepted, decode, message, tries_made
from hcs_services.queue.backoff import Backoff
from hcs_services.queue.topology import DEAD
from hcs_services.worker import task_rows
from hcs_services.worker.ledger import Ledger
from hcs_services.worker.ports import OrderCache, Ports
from hcs_services.worker.registry import Handler, Registry
from hcs_services.worker.retry import Again, Dead, after_failure
from hcs_services.worker.task import Done, Effect, Permanent, Task, TaskFailed, Transient

TASKS = Counter(
    "hcs_tasks_total",
    "Tries of tasks, by how they ended: succeeded, retried, dead, repeated (had its effect before) or requeued.",
    ["type", "outcome"],
)
SECONDS = Histogram(
    "hcs_task_seconds",
    "Time that a try takes, from its start to the acknowledgement.",
    ["type"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
REDELIVERED = Counter(
    "hcs_worker_redelivered_total",
    "Tasks that the broker delivered again, by how far the earlier delivery had come: unstarted (given back at a stop),"
    " unfinished (its worker was killed, or gave it back while an engine was away), or finished (the acknowledgement"
    " was lost).",
    ["type", "earlier"],
)
EXPIRES_AFTER = timedelta(days=7)
_PUBLISH_SECONDS = 10.0

Result = TypeVar("Result")
log = structlog.get_logger(__name__)


class Stopping(Exception):
    """The process stops while a step waits for an engine: give the delivery back."""


class Publish(Protocol):
    """`Publisher.publish`."""

    async def __call__(
        self,
        queue: str,
        body: bytes,
        headers: dict[str, Any],
        timeout: float,  # noqa: ASYNC109 - the publisher's own
        *,
        exchange: str = "",
    ) -> None:
        """Return once confirmed; raises NotAccepted."""


class Runner:
    """Runs deliveries; one instance for the process, `run` once for each delivery."""

    def __init__(
        self,
        registry: Registry,
        ports: Ports,
        cache: OrderCache,
        publish: Publish,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        late: Callable[[], bool] = lambda: random.random() < 0.5,  # noqa: S311 - jitter
    ) -> None:
        self._registry = registry
        self._ports = ports
        self._cache = cache
        self._publish = publish
        self._ledger = Ledger(ports.primary, clock)
        self._now = clock
        self._late = late
        self.stopping = asyncio.Event()

    async def run(self, delivery: Delivery) -> None:
        """Bring one delivery to its end. Raises only what is a bug: the process should end and start anew."""
        started = time.perf_counter()
        task_type, outcome = "unknown", "requeued"
        try:
            task_type, outcome = await self._outcome(delivery)
        except Stopping:
            delivery.requeue()
        TASKS.labels(task_type, outcome).inc()
        SECONDS.labels(task_type).observe(time.perf_counter() - started)

    async def _outcome(self, delivery: Delivery) -> tuple[str, str]:
        """Returns the labels (type, outcome)."""
        try:
            sent = decode(delivery.body)
        except MalformedMessage as error:
            return "unknown", await self._bury(delivery, Dead("malformed", str(error)))
        _enter(sent.task_id, delivery)
        task = Task(sent.task_id, sent.type, sent.payload, sent.created_at, tries_made(delivery.headers) + 1)
        handler = self._registry.get(task.type)
        if handler is None:
            return "unknown", await self._bury(delivery, Dead("unknown-type", f"no handler for {task.type[:64]}"))
        if task.created_at < self._now() - EXPIRES_AFTER:
            failure = Permanent("expired", "accepted more than 7 days ago")
            return task.type, await self._fail(delivery, task, handler, failure)
        earlier = await self._until_possible(lambda: self._ledger.begin(task))
        if delivery.redelivered:
            REDELIVERED.labels(task.type, _came_to(earlier)).inc()
        if earlier is not None and earlier.ended:
            return task.type, await self._made_up(delivery, task, earlier)
        try:
            done = await self._work(task, handler)
        except TaskFailed as failure:
            return task.type, await self._fail(delivery, task, handler, failure)
        return task.type, await self._conclude(delivery, done)

    async def _made_up(self, delivery: Delivery, task: Task, earlier: task_rows.Earlier) -> str:
        if earlier.status == "dead":
            # its letter may be missing: this one says what that would have said
            reason, _, detail = (earlier.error or "dead-before: no reason recorded").partition(": ")
            return await self._bury(delivery, Dead(reason, detail), attempts=task.attempt)
        delivery.ack()
        return "repeated"

    async def _work(self, task: Task, handler: Handler) -> Done | None:
        """Prepare and commit; None if another delivery of the task had its effect. Raises TaskFailed."""
        try:
            payload = handler.payload.model_validate(task.payload)
        except ValidationError as error:
            first = error.errors()[0]
            raise Permanent("malformed", f"payload {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        try:
            effect = await self._until_possible(lambda: self._prepare(task, handler, payload))
            return await self._until_possible(lambda: self._ledger.take_effect(task, effect, alone=handler.alone))
        except (TaskFailed, Stopping):
            raise
        except Exception as error:
            log.exception("handler failed", task_id=task.id, type=task.type)
            raise Transient("handler-error", f"{type(error).__name__} in the handler") from error

    async def _prepare(self, task: Task, handler: Handler, payload: Any) -> Effect:
        try:
            async with asyncio.timeout(handler.seconds):
                return await handler.prepare(task, payload, self._ports)
        except TimeoutError as error:
            raise Transient("timeout", f"not done within {handler.seconds:.0f} s") from error

    async def _conclude(self, delivery: Delivery, done: Done | None) -> str:
        if done is None:
            delivery.ack()
            return "repeated"
        await self._cache.put_many(done.changes)  # best effort: the outbox repeats it
        if done.dead is not None:
            return await self._bury(delivery, Dead("refused", done.dead))
        delivery.ack()
        return "succeeded"

    async def _fail(self, delivery: Delivery, task: Task, handler: Handler, failure: TaskFailed) -> str:
        verdict = after_failure(failure, task.attempt, handler.tries, late=self._late())
        log.info("try failed", task_id=task.id, type=task.type, attempt=task.attempt, reason=failure.reason)
        if isinstance(verdict, Again):
            await self._until_possible(lambda: self._note_retry(task, f"{failure.reason}: {failure.detail}"))
            headers = {**delivery.headers, message.ATTEMPT_HEADER: task.attempt}
            await self._send(delivery.queue, delivery.body, headers, exchange=verdict.exchange)
            delivery.ack()
            return "retried"
        if not await self._until_possible(lambda: self._note_dead(task, handler, failure, verdict)):
            delivery.ack()
            return "repeated"
        return await self._bury(delivery, verdict, attempts=task.attempt)

    async def _note_retry(self, task: Task, error: str) -> None:
        async with self._ports.primary.transaction() as tx:
            await task_rows.note_retry(tx, task, error, self._now())

    async def _note_dead(self, task: Task, handler: Handler, failure: TaskFailed, verdict: Dead) -> bool:
        """Returns False if another delivery of the task had its effect."""
        now = self._now()
        async with self._ports.primary.transaction() as tx:
            dead = await task_rows.note_dead(tx, task, f"{verdict.reason}: {verdict.detail}", now)
            if dead and handler.on_dead is not None:
                await handler.on_dead(tx, task, failure, now)
        return dead

    async def _bury(self, delivery: Delivery, verdict: Dead, *, attempts: int | None = None) -> str:
        """Publish to the dead-letter queue with the reason, await the confirm, then acknowledge."""
        headers = {
            **delivery.headers,
            message.REASON_HEADER: verdict.reason,
            message.DETAIL_HEADER: verdict.detail[:500],
            message.SOURCE_HEADER: delivery.queue,
            message.DIED_HEADER: self._now().isoformat(),
        }
        if attempts is not None:
            headers[message.ATTEMPT_HEADER] = attempts
        await self._send(DEAD, delivery.body, headers)
        delivery.ack()
        return "dead"

    async def _send(self, queue: str, body: bytes, headers: dict[str, Any], *, exchange: str = "") -> None:
        async def publish() -> None:
            await self._publish(queue, body, headers, _PUBLISH_SECONDS, exchange=exchange)

        await self._until_possible(publish)

    async def _until_possible(self, step: Callable[[], Awaitable[Result]]) -> Result:
        """Repeat a step through an outage of database or broker. Raises Stopping once the process stops."""
        backoff = Backoff(first=0.2, limit=5.0)
        while True:
            try:
                return await step()
            except (DatabaseFailure, NotAccepted) as error:
                log.warning("waiting for an engine", reason=str(error)[:200])
            if self.stopping.is_set():
                raise Stopping
            await asyncio.sleep(backoff.next())


def _came_to(earlier: task_rows.Earlier | None) -> str:
    """How far the delivery had come that this one repeats; a task that waited for a retry had not begun that try."""
    if earlier is None or earlier.status == "retrying":
        return "unstarted"
    return "finished" if earlier.ended else "unfinished"


def _enter(task_id: str, delivery: Delivery) -> None:
    """Bind logs and traces of this asyncio task to the delivery's trace; no deadline but the handler's own."""
    parent = delivery.headers.get(message.TRACE_HEADER)
    trace = request_context.continue_trace(parent if isinstance(parent, str) else None)
    request_context.enter(request_id=task_id, trace=trace, deadline=None)
