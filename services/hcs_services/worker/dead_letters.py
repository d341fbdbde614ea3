"""Dead letters: what one tells, which of them somebody means, and going through those that lie there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from hcs_services.queue import MalformedMessage, TaskMessage, decode, message, tries_made
from hcs_services.queue.letters import Letter

BATCH: Final = 64
"""Letters whose rows share a transaction, at the most."""
BY_THE_BROKER: Final = "delivery-limit"
"""The reason of a letter that has none: the broker gave the message up, which crashes its workers."""
OTHERS: Final = "left: not asked for"
_UNKNOWN: Final = "unknown"
"""The type of a letter that is no task."""

Chosen = TypeVar("Chosen")


class Letters(Protocol):
    """`queue.letters.Letters`."""

    async def count(self) -> int:
        """How many lie there."""

    async def take(self) -> Letter | None:
        """The next one."""

    def remove(self, letter: Letter) -> None:
        """It is done with."""


@dataclass(frozen=True, slots=True)
class About:
    """What a letter tells of its task's end; `task_id` and `accepted_at` are None where it is no task."""

    task_id: str | None
    type: str
    reason: str
    detail: str
    queue: str | None
    attempts: int
    died_at: str | None
    accepted_at: str | None

    @classmethod
    def of(cls, letter: Letter) -> About:
        """Whatever the letter is: nothing in it is trusted to be there, nor to be short."""
        headers, task = letter.headers, _task(letter)
        return cls(
            task_id=task.task_id if task else None,
            type=task.type[:64] if task else _UNKNOWN,
            reason=str(headers.get(message.REASON_HEADER, BY_THE_BROKER))[:64],
            detail=str(headers.get(message.DETAIL_HEADER, ""))[:500],
            queue=_text(headers.get(message.SOURCE_HEADER)),
            attempts=tries_made(headers),
            died_at=_text(headers.get(message.DIED_HEADER)),
            accepted_at=task.created_at.isoformat() if task else None,
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters: those of this reason and this type, None for any, and how many at the most."""

    reason: str | None = None
    type: str | None = None
    limit: float = math.inf

    def means(self, about: About) -> bool:
        """Whether a letter that tells this is one of these."""
        return self.reason in (None, about.reason) and self.type in (None, about.type)


async def everything(letters: Letters) -> AsyncIterator[Letter]:
    """Each letter that lies there now, once; not those that come meanwhile, of tasks that die again."""
    for _ in range(await letters.count()):
        letter = await letters.take()
        if letter is None:  # somebody else takes them, too
            return
        yield letter


async def in_batches(
    letters: Letters, choose: Callable[[Letter], Chosen | str], size: int, limit: float, left: Counter[str]
) -> AsyncIterator[list[Chosen]]:
    """What is made of the letters that are chosen, `size` at a time, `limit` at the most; counts in `left` why the
    others were not.
    """
    batch: list[Chosen] = []
    count = 0
    async for letter in everything(letters):
        chosen = choose(letter)
        if isinstance(chosen, str):
            left[chosen] += 1
            continue
        batch.append(chosen)
        count += 1
        if count >= limit:
            break
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def payload(letter: Letter) -> dict[str, Any] | str:
    """What the task was asked to do, without a payment's token; of a letter that is no task, its beginning."""
    task = _task(letter)
    if task is None:
        return letter.body[:500].decode(errors="replace")
    return {name: value for name, value in task.payload.items() if name != "method_token"}


def _task(letter: Letter) -> TaskMessage | None:
    try:
        return decode(letter.body)
    except MalformedMessage:
        return None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
