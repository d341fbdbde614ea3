"""What deliveries write, in groups: those that come while a transaction is in flight share the next one.

Alone, a delivery costs two transactions: its task begins, and has its effect. In a group, the begins and effects of
many deliveries cost one commit together, with the inbox row, the effect and the task's row of each in it or none of
them. When the group fails as one (a deadlock, a lost connection, an effect that fails), each goes on alone, so whatever
fails, fails its own delivery only. Nobody hears anything before the commit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress

from prometheus_client import Counter, Histogram

from hcs_services.database.connection import Connection
from hcs_services.database.errors import TransactionTooLarge
from hcs_services.database.line import Alone, Group, Line, Seat
from hcs_services.database.members import PrimaryPool
from hcs_services.database.settle import run_keyed
from hcs_services.worker import group_rows, task_rows
from hcs_services.worker.group_plan import first_of_each
from hcs_services.worker.task import Done, Effect, Permanent, Task
from hcs_services.worker.task_rows import Earlier

SIZES = Histogram(
    "hcs_task_group_size",
    "Tasks that began, or had their effect, in one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
SPLITS = Counter(
    "hcs_task_groups_split_total",
    "Groups of tasks whose one transaction failed (deadlock, lost connection, a failing effect); each went on alone.",
)
_SIZE = 64
_ABREAST = 4
_WAIT = 0.05
"""Seconds: a task may wait for others' commit, which takes milliseconds, but not for one that waits for a row."""


@dataclass(frozen=True, slots=True)
class _Begin:
    task: Task


@dataclass(frozen=True, slots=True)
class _TakeEffect:
    task: Task
    effect: Effect


Step = _Begin | _TakeEffect
Answer = Earlier | Done | None
TaskGroup = Group[Step, Answer]
Answers = dict[Seat[Step, Answer], Answer]


class Ledger:
    """The rows of tasks and their effects; one instance for the process."""

    def __init__(self, pool: PrimaryPool, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = clock
        self._line: Line[Step, Answer] = Line(self._transact, size=_SIZE, abreast=_ABREAST, wait=_WAIT, splits=SPLITS)

    async def begin(self, task: Task) -> Earlier | None:
        """Show the task as running unless it has ended; returns what was found, None for one that is begun here."""
        answer = await self._line.join(_Begin(task))
        if isinstance(answer, Alone):
            async with self._pool.transaction() as tx:
                return await task_rows.begin(tx, task, self._now())
        assert not isinstance(answer, Done)
        return answer

    async def take_effect(self, task: Task, effect: Effect, *, alone: bool = False) -> Done | None:
        """Have the effect, once; None if another delivery of the task had it. Raises Permanent, and what it raises."""
        answer = Alone() if alone else await self._line.join(_TakeEffect(task, effect))
        if isinstance(answer, Alone):
            return await self._take_alone(task, effect, settling=answer.settling)
        assert not isinstance(answer, Earlier)
        return answer

    async def _take_alone(self, task: Task, effect: Effect, *, settling: bool) -> Done | None:
        now = self._now()

        async def work(tx: Connection, settling: bool) -> Done | None:  # noqa: FBT001 - run_keyed's form
            if not await task_rows.take_inbox(tx, task, now):
                return await task_rows.dead_end(tx, task) if settling else None
            done = await effect(tx, now)
            if not await task_rows.finish(tx, task, done, now):
                raise Permanent("dead-before", "another delivery of the task gave it up meanwhile")
            return done

        try:
            return (await run_keyed(self._pool, work, settling=settling)).value
        except TransactionTooLarge as error:
            raise Permanent("too-large", "the database takes no transaction of this size") from error

    async def _transact(self, group: TaskGroup) -> Awaitable[None]:
        async with self._pool.transaction() as tx:
            now = self._now()
            group.board()
            seats = group.commit_to()
            begins = [seat for seat in seats if isinstance(seat.item, _Begin)]
            effects = [seat for seat in seats if isinstance(seat.item, _TakeEffect)]
            group.writers.update(effects)
            answers = await _begin(tx, begins, now) | await _take_effects(tx, effects, now)
        SIZES.observe(len(answers))
        return _tell(answers)


async def _begin(tx: Connection, seats: Sequence[Seat[Step, Answer]], now: datetime) -> Answers:
    if not seats:
        return {}
    found = await group_rows.begin(tx, [seat.item.task for seat in seats], now)
    return dict(zip(seats, found, strict=True))


async def _take_effects(tx: Connection, seats: Sequence[Seat[Step, Answer]], now: datetime) -> Answers:
    """A task that is here twice has its effect once: its other deliveries hear that it was had."""
    firsts = list(compress(seats, first_of_each([seat.item.task for seat in seats])))
    if not firsts:
        return {}
    await group_rows.take_inbox(tx, [seat.item.task for seat in firsts], now)
    dones = {}
    for seat in firsts:
        assert isinstance(seat.item, _TakeEffect)
        dones[seat] = await seat.item.effect(tx, now)
    await group_rows.finish(tx, [(seat.item.task, done) for seat, done in dones.items()], now)
    return dict.fromkeys(seats) | dones


async def _tell(answers: Answers) -> None:
    for seat, answer in answers.items():
        seat.settle(answer)
