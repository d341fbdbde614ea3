"""Dead tasks, taken up again once their cause is mended.

For each letter, in this order, so that an end between any two of them loses nothing and doubles no effect:

1. its task's row turns from `dead` to `retrying`: workers have no effect of a task that is dead; the same transaction
   writes down that it was redriven, and why;
2. its message is published to the queue it came from, as a first try, and confirmed;
3. the letter is removed.

After an interruption the letter is still there, and the next redrive publishes it again, or finds that the task has
succeeded meanwhile and only removes it. Of two messages of one task the second finds the inbox row of the first.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from hcs_services.database.connection import Connection
from hcs_services.database.members import PrimaryPool
from hcs_services.database.settle import run_keyed
from hcs_services.queue import TaskMessage, decode, message, queue_for
from hcs_services.queue.letters import Letter
from hcs_services.worker import audit, task_rows
from hcs_services.worker.audit import Purpose
from hcs_services.worker.dead_letters import BATCH, OTHERS, About, Letters, Wanted, in_batches
from hcs_services.worker.registry import Registry
from hcs_services.worker.runner import EXPIRES_AFTER, Publish

_PUBLISH_SECONDS: Final = 10.0
_OF_DEATH: Final = frozenset(
    {
        message.REASON_HEADER,
        message.DETAIL_HEADER,
        message.DIED_HEADER,
        message.SOURCE_HEADER,
        message.ATTEMPT_HEADER,
    }
)

REDRIVEN: Final = "redriven"
DONE_BEFORE: Final = "done before"
MALFORMED: Final = "left: malformed or of unknown type"
SETTLED: Final = "left: its death had consequences (a payment), ask for a new one"
EXPIRED: Final = "left: accepted more than 7 days ago"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A letter to redrive, and its task."""

    letter: Letter
    task: TaskMessage

    @property
    def headers(self) -> dict[str, Any]:
        """The message's, as at its first try: `x-` are the broker's."""
        told = self.letter.headers.items()
        return {name: value for name, value in told if name not in _OF_DEATH and not name.startswith("x-")}


def choose(letter: Letter, wanted: Wanted, registry: Registry, now: datetime) -> Chosen | str:
    """What to do with a letter: redrive it, or leave it, and why."""
    about = About.of(letter)
    if not wanted.means(about):
        return OTHERS
    handler = registry.get(about.type)
    if handler is None:
        return MALFORMED
    if handler.on_dead is not None:  # a payment's charge may have been given back
        return SETTLED
    task = decode(letter.body)
    return EXPIRED if task.created_at < now - EXPIRES_AFTER else Chosen(letter, task)


@dataclass(frozen=True, slots=True)
class Redrive:
    """The parts that it takes."""

    letters: Letters
    primary: PrimaryPool
    publish: Publish
    registry: Registry
    purpose: Purpose
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self, wanted: Wanted, rate: float) -> Counter[str]:
        """Redrive what is wanted, at most `rate` tasks a second; how many letters had which outcome.

        Raises SessionLost, NotAccepted or DatabaseFailure: it can be run again.
        """
        told: Counter[str] = Counter()
        size, began = max(1, min(BATCH, int(rate))), self.clock()  # no more than a second's

        def chosen(letter: Letter) -> Chosen | str:
            return choose(letter, wanted, self.registry, datetime.now(UTC))

        async for batch in in_batches(self.letters, chosen, size, wanted.limit, told):
            told.update(await self._redrive(batch))
            await self.sleep(max(0.0, began + told[REDRIVEN] / rate - self.clock()))
        return told

    async def _redrive(self, batch: Sequence[Chosen]) -> dict[str, int]:
        by_id = {chosen.task.task_id: chosen for chosen in batch}  # a task may have two letters, of two deliveries

        async def take_up(tx: Connection, _settling: bool) -> set[str]:  # noqa: FBT001 - run_keyed's form
            done = await task_rows.take_up(tx, sorted(by_id), datetime.now(UTC))
            for action, of_action in ((REDRIVEN, by_id.keys() - done), (DONE_BEFORE, done)):
                letters = [chosen.letter for chosen in batch if chosen.task.task_id in of_action]
                await audit.record(tx, self.purpose, action, letters)
            return done

        done = (await run_keyed(self.primary, take_up)).value
        redriven = [chosen for task_id, chosen in by_id.items() if task_id not in done]
        await asyncio.gather(*(self._publish(chosen) for chosen in redriven))
        for chosen in batch:
            self.letters.remove(chosen.letter)
        return {REDRIVEN: len(redriven), DONE_BEFORE: len(batch) - len(redriven)}

    async def _publish(self, chosen: Chosen) -> None:
        await self.publish(queue_for(chosen.task.type), chosen.letter.body, chosen.headers, _PUBLISH_SECONDS)
