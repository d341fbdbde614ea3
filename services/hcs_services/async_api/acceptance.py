"""Accepting a task: it is accepted when the broker has confirmed its message, and never before.

Without a key nothing but the broker is asked. With an Idempotency-Key the row (scope, key, body hash, task id) is
committed first, then the message is published, then the row is marked accepted. A repeat of a row that is not marked
publishes the stored id again: the worker's inbox makes two messages of one id one effect, so no repeat ever makes a
second task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from hcs_services import request_context
from hcs_services.database.errors import DatabaseFailure
from hcs_services.idempotency import Key, Stored, body_hash
from hcs_services.identifiers import new_task_id, parse_task_id, to_millisecond
from hcs_services.models import task_document
from hcs_services.problem import problem
from hcs_services.queue import NotAccepted, TaskMessage, message, queue_for

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A validated request: `scope` is the route, `owner` the user, the order, or empty (sync)."""

    type: str
    payload: dict[str, Any] = field(hash=False)
    scope: str
    owner: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The task as answered; `replayed` if an earlier request under the same key was accepted."""

    document: dict[str, Any] = field(hash=False)
    replayed: bool = False


class Keys(Protocol):
    """Where idempotency keys are kept."""

    async def claim(self, key: Key, task_id: str, now: datetime) -> Stored | None:
        """Commit the key with this task id; what was stored under it before, if anything. Raises DatabaseFailure."""

    async def mark_accepted(self, key: Key, now: datetime) -> None:
        """Note that the broker has confirmed. Raises DatabaseFailure."""


class Publish(Protocol):
    """`Publisher.publish`."""

    async def __call__(self, queue: str, body: bytes, headers: dict[str, Any], timeout: float) -> None:  # noqa: ASYNC109
        """Return once confirmed; raises NotAccepted."""


class Acceptance:
    """Accepts tasks; one instance for the process."""

    def __init__(
        self,
        publish: Publish,
        keys: Keys,
        signing_key: Callable[[], bytes],
        *,
        publish_seconds: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._publish = publish
        self._keys = keys
        self._signing_key = signing_key
        self._publish_seconds = publish_seconds
        self._now = clock

    async def accept(self, request: Request, idempotency_key: str | None) -> Accepted:
        """Accept one task. Raises Problem: 503 without the broker's confirm, and what the key may answer."""
        created_at = to_millisecond(self._now())
        task_id = new_task_id(self._signing_key(), request.type, created_at)
        if idempotency_key is None:
            return Accepted(await self._send(request, task_id, created_at))
        key = Key(request.scope, request.owner, idempotency_key, body_hash(request.payload))
        stored = await self._keys.claim(key, task_id, self._now())
        if stored is not None and stored.task_id is not None:
            task_id, created_at = stored.task_id, self._created_at(stored.task_id)
            if stored.accepted:
                return Accepted(queued_document(task_id, request.type, created_at), replayed=True)
        document = await self._send(request, task_id, created_at)
        try:
            await self._keys.mark_accepted(key, self._now())
        except DatabaseFailure as error:
            # The task is accepted all the same; a repeat will publish its id once more.
            log.warning("could not mark the key accepted", task_id=task_id, reason=str(error))
        return Accepted(document)

    async def _send(self, request: Request, task_id: str, created_at: datetime) -> dict[str, Any]:
        sent = TaskMessage(task_id, request.type, request.payload, created_at)
        headers: dict[str, Any] = {message.ATTEMPT_HEADER: 0}
        trace = request_context.trace()
        if trace is not None:
            headers[message.TRACE_HEADER] = trace.traceparent
        seconds = request_context.remaining(self._publish_seconds)
        try:
            await self._publish(queue_for(request.type), sent.encode(), headers, seconds)
        except NotAccepted as error:
            log.warning("task not accepted", task_id=task_id, reason=str(error))
            raise problem(
                "queue-unavailable",
                "The queue has not confirmed the task; repeat the request, under its Idempotency-Key if it has one.",
                retry_after=1,
            ) from error
        return queued_document(task_id, request.type, created_at)

    def _created_at(self, task_id: str) -> datetime:
        """The id's own time, so that every answer about the task agrees to the millisecond."""
        parsed = parse_task_id(self._signing_key(), task_id)
        return parsed.created_at if parsed is not None else self._now()


def queued_document(task_id: str, task_type: str, created_at: datetime) -> dict[str, Any]:
    """A task that no worker has begun."""
    return task_document(
        {"task_id": task_id, "type": task_type, "status": "queued", "attempts": 0, "created_at": created_at}
    )
