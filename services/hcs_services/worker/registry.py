"""Handlers, registered with a decorator; start-up fails where a task type has none."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from hcs_services.database.connection import Connection
from hcs_services.worker.ports import Ports
from hcs_services.worker.task import Effect, Task, TaskFailed

Prepare = Callable[[Task, Any, Ports], Awaitable[Effect]]
TRIES: Final = 4
OnDead = Callable[[Connection, Task, TaskFailed, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Handler:
    """How one type of task is done: the form of its payload, the longest a try may take, and the work.

    `tries` is how many it has, None for as many as it takes until it is refused for good or expires. `alone` keeps its
    effect out of the transactions that tasks share, because of its size.
    """

    task_type: str
    payload: type[BaseModel]
    seconds: float
    prepare: Prepare
    on_dead: OnDead | None = None
    tries: int | None = TRIES
    alone: bool = False


class Registry:
    """Handlers by task type."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def handles(
        self,
        task_type: str,
        *,
        payload: type[BaseModel],
        seconds: float,
        on_dead: OnDead | None = None,
        tries: int | None = TRIES,
        alone: bool = False,
    ) -> Callable[[Prepare], Prepare]:
        """Decorate the `prepare` of `task_type`.

        `on_dead` runs in the transaction that declares such a task dead, or finds that another delivery has.
        """

        def register(prepare: Prepare) -> Prepare:
            if task_type in self._handlers:
                raise ValueError(f"two handlers for {task_type}")
            self._handlers[task_type] = Handler(task_type, payload, seconds, prepare, on_dead, tries, alone)
            return prepare

        return register

    def get(self, task_type: str) -> Handler | None:
        """The handler of a type, None for an unknown one."""
        return self._handlers.get(task_type)

    def require(self, task_types: Iterable[str]) -> None:
        """Raise ValueError unless every type has a handler: accepting what nobody can do would only fill a queue."""
        missing = sorted(set(task_types) - set(self._handlers))
        if missing:
            raise ValueError(f"no handler for task type {', '.join(missing)}")

    @property
    def longest_seconds(self) -> float:
        """The longest time-out of all, which bounds a graceful stop."""
        return max((handler.seconds for handler in self._handlers.values()), default=0.0)


HANDLERS = Registry()
