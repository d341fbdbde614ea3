"""The form of a task on the wire: a JSON body and a few headers.

Body: `{task_id, type, payload, created_at}`. Header `task-attempt` is the number of tries already made (0 at first):
a header of our own, because RabbitMQ 4 ignores a client's `x-death` and a republished message starts a new count.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from hcs_services.identifiers import EPOCH

ATTEMPT_HEADER: Final = "task-attempt"
TRACE_HEADER: Final = "traceparent"
REASON_HEADER: Final = "dead-reason"
DETAIL_HEADER: Final = "dead-detail"
DIED_HEADER: Final = "dead-at"
SOURCE_HEADER: Final = "dead-queue"


class MalformedMessage(ValueError):
    """The body is not a task; the message says why."""


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """One task to be done; `created_at` is aware UTC, the moment of the accept."""

    task_id: str
    type: str
    payload: dict[str, Any] = field(hash=False)
    created_at: datetime

    def encode(self) -> bytes:
        """Write the body as UTF-8 JSON; equal tasks give equal bytes."""
        document = {
            "task_id": self.task_id,
            "type": self.type,
            "payload": self.payload,
            "created_at": self.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def decode(body: bytes) -> TaskMessage:
    """Read a body. Raises MalformedMessage if it is not a task of this form."""
    try:
        document = json.loads(body, parse_constant=_refuse)
        json.dumps(document, ensure_ascii=False).encode()  # a lone surrogate is no text, and no database takes it
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("the body is not JSON") from error
    if not isinstance(document, dict):
        raise MalformedMessage("the body is not an object")
    task_id, task_type, payload = document.get("task_id"), document.get("type"), document.get("payload")
    if not (isinstance(task_id, str) and 0 < len(task_id) <= 64 and task_id.isascii()):  # a primary key
        raise MalformedMessage("task_id is not a string of 1 to 64 ASCII characters")
    if not isinstance(task_type, str) or not isinstance(payload, dict):
        raise MalformedMessage("type is not a string or payload not an object")
    return TaskMessage(task_id, task_type, payload, _instant(document.get("created_at")))


def tries_made(headers: dict[str, Any]) -> int:
    """Count the tries a message has behind it; a missing or senseless header counts as none."""
    value = headers.get(ATTEMPT_HEADER, 0)
    return value if isinstance(value, int) and 0 <= value < 1_000_000 else 0


def _instant(text: object) -> datetime:
    try:
        instant = datetime.fromisoformat(str(text))
        if instant.tzinfo is None:
            raise MalformedMessage("created_at has no time zone")
        instant = instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedMessage("created_at is not an RFC 3339 time") from error
    if instant < EPOCH:
        raise MalformedMessage("created_at is before the first task that can have been")
    return instant


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
