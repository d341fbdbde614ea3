"""What a handler gets, what it gives back, and how it fails.

A handler works in two parts. `prepare` does what lies outside the database (a mail, a charge, an object) and may be run
any number of times for one task, because each outside part recognises the repetition. The `Effect` it returns is then
run in the one transaction that also holds the inbox row and the task's row, so it takes effect once.

TaskFailed
├── Permanent    no further try can help: dead at once
└── Transient    worth another try after a while; dead once the tries are spent
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hcs_services.cache import Change
from hcs_services.database.connection import Connection


@dataclass(frozen=True, slots=True)
class Task:
    """One try of one task; `attempt` is 1 for the first, `created_at` is the moment of the accept."""

    id: str
    type: str
    payload: dict[str, Any] = field(hash=False)
    created_at: datetime
    attempt: int


@dataclass(frozen=True, slots=True)
class Done:
    """What an effect amounts to.

    `dead` names why the task ends as dead although its transaction commits (a charge that must be given back).
    `changes` are the states it committed that the cache should hold.
    """

    result: dict[str, Any] | None = None
    dead: str | None = None
    changes: tuple[Change, ...] = ()

    @property
    def status(self) -> str:
        """How the task ends."""
        return "dead" if self.dead else "succeeded"


DECLINED: Final = "declined"
"""The reason of a charge that the provider refused, which settles that there is none."""

Effect = Callable[[Connection, datetime], Awaitable[Done]]


class TaskFailed(Exception):
    """A try failed: `reason` is a slug, `detail` for people; `unclear`: the outside part may have acted after all.

    `detail` may quote an outside part, which may have said what is no Unicode (a mail server's reply in Latin-1 has
    lone surrogates): those turn into `?`, because neither the database nor a message's header takes them.
    """

    def __init__(self, reason: str, detail: str, *, unclear: bool = False) -> None:
        self.reason = reason
        self.detail = detail.encode(errors="replace").decode()
        self.unclear = unclear
        super().__init__(self.detail)


class Permanent(TaskFailed):
    """No further try can help."""


class Transient(TaskFailed):
    """Another try may succeed."""
