"""Where those wait who share transactions, and leave in groups: nobody waits while none is in flight.

A group is made up when its transaction is open, so those who come while it opens are in it, and those whose time has
ended are not. What a group does is given: here is only who goes with whom, when, and what becomes of who cannot.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

import structlog
from prometheus_client import Counter

from hcs_services import request_context
from hcs_services.database.errors import DatabaseUnavailable, DeadlinePassed, OutcomeUnknown, TransactionLost
from hcs_services.database.settle import REPEATS

Item = TypeVar("Item")
Result = TypeVar("Result")

_OPENS_WITHIN = 0.25  # seconds; a connection that takes longer may be dead, and others need not wait for it
_BEHIND_A_LOCK = 1.0  # seconds; a group that holds its locks for longer may be on a dead connection

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Alone:
    """The group came to nothing: each of it goes on alone. `settling`: what it does may have been committed."""

    settling: bool = False


class Seat(Generic[Item, Result]):
    """One who waits."""

    __slots__ = ("answer", "boarded", "committed", "item", "lock", "since")

    def __init__(self, item: Item, lock: Hashable) -> None:
        loop = asyncio.get_running_loop()
        self.item = item
        self.lock = lock
        self.since = loop.time()
        self.answer: asyncio.Future[Result | Alone] = loop.create_future()
        self.boarded = False  # in a group
        self.committed = False  # and part of what that group writes

    def settle(self, answer: Result | Alone) -> None:
        """Answer, if anyone is left to be answered."""
        if not self.answer.done():
            self.answer.set_result(answer)


class Group(Generic[Item, Result]):
    """Those who go together."""

    def __init__(self, take: Callable[[], list[Seat[Item, Result]]]) -> None:
        self._take = take
        self.seats: list[Seat[Item, Result]] = []
        self.locks: frozenset[Hashable] = frozenset()
        self.writers: set[Seat[Item, Result]] = set()  # whose effects are in the transaction: set by who plans it

    def board(self) -> list[Seat[Item, Result]]:
        """Take from the line who fits; call it once, when the transaction is open."""
        self.seats = self._take()
        self.locks = frozenset(seat.lock for seat in self.seats)
        for seat in self.seats:
            seat.boarded = True
        return self.seats

    def commit_to(self) -> list[Seat[Item, Result]]:
        """Leave out who has given up; the others are part of it for good. Call it just before the first write."""
        self.seats = [seat for seat in self.seats if not seat.answer.done()]
        for seat in self.seats:
            seat.committed = True
        return self.seats

    def come_to_nothing(self, *, settling: bool) -> None:
        """Let everyone who has no answer go on alone; `settling`: what was written may have been committed."""
        for seat in self.seats:
            seat.settle(Alone(settling and seat in self.writers))


class Line(Generic[Item, Result]):
    """`transact` opens a transaction, boards, commits, and returns what follows the commit: there seats are settled.

    At most `size` go together. One who has waited for `wait` seconds does so no longer: another group leaves beside
    those under way, of which there are `abreast` at most. It leaves without those whose `lock_of` one under way holds:
    they would wait for that one's commit all the same, in a smaller group. `splits` counts the groups that came to
    nothing.
    """

    def __init__(
        self,
        transact: Callable[[Group[Item, Result]], Awaitable[Awaitable[None]]],
        *,
        size: int,
        abreast: int,
        wait: float,
        splits: Counter,
        lock_of: Callable[[Item], Hashable] = id,
    ) -> None:
        self._transact = transact
        self._splits = splits
        self._lock_of = lock_of
        self._locks: Tally[Hashable] = Tally()  # of the groups under way
        self._size, self._abreast, self._wait = size, abreast, wait
        self._waiting: dict[Seat[Item, Result], None] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._opening: float | None = None  # since when a transaction opens that will take those who wait
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    async def join(self, item: Item) -> Result | Alone:
        """Wait for a group and for its answer; raises DatabaseUnavailable or DeadlinePassed at the caller's deadline.

        Who is cancelled leaves the line. Once the group writes, it goes on with everyone in it, as a COMMIT does.
        """
        if request_context.remaining(1.0) <= 0:
            raise DeadlinePassed("no time is left to ask the primary")
        seat: Seat[Item, Result] = Seat(item, self._lock_of(item))
        self._waiting[seat] = None
        self._move()
        try:
            await asyncio.wait([seat.answer], timeout=_time_left())
            if not seat.answer.done() and not seat.committed:
                if seat.boarded:
                    raise DeadlinePassed("the time ended before the group's first write")
                raise DatabaseUnavailable("no transaction was open in time")
            return await seat.answer
        finally:
            seat.answer.cancel()
            self._waiting.pop(seat, None)

    def _move(self) -> None:
        """Let a group go if nothing is in flight, or one in the line has waited long enough."""
        if not self._waiting or self._in_flight >= self._abreast:
            return
        loop = asyncio.get_running_loop()
        if self._in_flight and loop.time() < (due := self._due()):
            self._ring_at(due)
            return
        self._in_flight += 1
        self._opening = loop.time()
        # a context of its own: the group is no one request's, neither its trace nor its deadline
        task = loop.create_task(self._go(), context=contextvars.Context())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _due(self) -> float:
        """When one will have waited long enough: the first in the line, or the first that no lock keeps there."""
        first = next(iter(self._waiting))
        due = first.since + self._wait
        if first.lock in self._locks:
            due = max(due, first.since + _BEHIND_A_LOCK)
            free = next((seat for seat in self._waiting if seat.lock not in self._locks), None)
            due = due if free is None else min(due, free.since + self._wait)
        return due if self._opening is None else max(due, self._opening + _OPENS_WITHIN)

    def _ring_at(self, due: float) -> None:
        if self._timer is not None and self._rings_at > due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(due, self._ring)
            self._rings_at = due  # uvloop's handle of what is due already cannot say it

    def _ring(self) -> None:
        self._timer = None
        self._move()

    def _take(self) -> list[Seat[Item, Result]]:
        self._opening = None
        overdue = asyncio.get_running_loop().time() - _BEHIND_A_LOCK
        able = (seat for seat in self._waiting if seat.lock not in self._locks or seat.since <= overdue)
        taken = list(islice(able, self._size))
        for seat in taken:
            del self._waiting[seat]
        self._locks.update({seat.lock for seat in taken})
        self._move()  # who did not fit may be due
        return taken

    async def _go(self) -> None:
        group = Group(self._take)
        try:
            follow = await self._transact(group)
        except Exception as error:  # noqa: BLE001 - whatever it is: it is one's own fault alone, or nobody's
            if isinstance(error, OutcomeUnknown | TransactionLost):
                REPEATS.labels("outcome-unknown" if isinstance(error, OutcomeUnknown) else "lost").inc()
            _log.info("a group came to nothing", size=len(group.seats), error=_brief(error))
            self._splits.inc()
            if not group.locks:
                group.board()  # it never began: each asks for a transaction of its own, and hears why there is none
            group.come_to_nothing(settling=isinstance(error, OutcomeUnknown))
            return
        finally:
            self._in_flight -= 1
            self._locks -= Tally(group.locks)
            self._move()
        try:
            await follow
        except Exception as error:  # noqa: BLE001 - committed, so each finds its own answer under its key
            _log.warning("a group was not answered", error=_brief(error))
        finally:
            group.come_to_nothing(settling=True)


def _time_left() -> float | None:
    at = request_context.deadline()
    return None if at is None else max(0.0, at - time.monotonic())


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"
