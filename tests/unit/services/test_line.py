from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import uvloop
from prometheus_client import Counter

from hcs_services import request_context
from hcs_services.database import line
from hcs_services.database.errors import DatabaseUnavailable, DeadlinePassed, OutcomeUnknown, TransactionLost
from hcs_services.database.line import Alone, Group, Line

LONG = 60.0
SPLITS = Counter("test_groups_split_total", "Groups of these tests that came to nothing.", registry=None)


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    """Both loops: the services run on uvloop, whose timers are not quite asyncio's."""
    policy: asyncio.AbstractEventLoopPolicy = request.param()
    return policy


@pytest.fixture(autouse=True)
def no_deadline() -> Iterator[None]:
    request_context.set_deadline(None)
    yield
    request_context.set_deadline(None)


class Transactions:
    """What groups do: each stands still at its gates until the test opens them, and answers its members' names."""

    def __init__(
        self, *, size: int = 64, abreast: int = 1, wait: float = LONG, lock_of: Callable[[str], str] = str
    ) -> None:
        self.groups: list[list[str]] = []
        self.opening = asyncio.Event()  # the transaction opens
        self.opening.set()
        self.deciding = asyncio.Event()  # rows are read, nothing is written
        self.deciding.set()
        self.committing = asyncio.Event()
        self.begun = 0
        self.at_commit: list[Exception] = []  # one a group
        self.after: Callable[[], None] = lambda: None
        self.writers: set[str] | None = None
        self.deadlines: list[float | None] = []
        self.line: Line[str, str] = Line(
            self._transact, size=size, abreast=abreast, wait=wait, splits=SPLITS, lock_of=lock_of
        )

    async def _transact(self, group: Group[str, str]) -> Awaitable[None]:
        self.begun += 1
        self.deadlines.append(request_context.deadline())
        await self.opening.wait()
        group.board()
        await self.deciding.wait()
        seats = group.commit_to()
        self.groups.append([seat.item for seat in seats])
        group.writers.update(seat for seat in seats if self.writers is None or seat.item in self.writers)
        await self.committing.wait()
        if self.at_commit:
            raise self.at_commit.pop(0)
        return self._answer(group)

    async def _answer(self, group: Group[str, str]) -> None:
        self.after()
        for seat in group.seats:
            seat.settle(f"placed {seat.item}")

    async def until_left(self, count: int) -> None:
        """Wait for so many groups, by the line's own timer."""
        async with asyncio.timeout(5):
            while len(self.groups) < count:  # noqa: ASYNC110 - nothing tells of a timer
                await asyncio.sleep(0.005)

    def join(self, *names: str) -> list[asyncio.Task[str | Alone]]:
        return [asyncio.create_task(self.line.join(name)) for name in names]


async def turns() -> None:
    """Let everything happen that waits for nothing but its turn."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_comes_alone_begins_at_once() -> None:
    transactions = Transactions(wait=LONG)
    (first,) = transactions.join("a")

    await turns()

    assert transactions.groups == [["a"]]
    transactions.committing.set()
    assert await first == "placed a"


async def test_who_comes_while_one_is_in_flight_goes_with_the_others_in_the_order_of_arrival() -> None:
    transactions = Transactions()
    first = transactions.join("a")
    await turns()
    others = transactions.join("b", "c", "d")
    await turns()
    assert transactions.groups == [["a"]]

    transactions.committing.set()

    assert await asyncio.gather(*first, *others) == ["placed a", "placed b", "placed c", "placed d"]
    assert transactions.groups == [["a"], ["b", "c", "d"]]


async def test_who_comes_while_the_transaction_opens_is_in_it() -> None:
    transactions = Transactions()
    transactions.opening.clear()
    transactions.join("a")
    await turns()
    transactions.join("b")
    transactions.opening.set()

    await turns()

    assert transactions.groups == [["a", "b"]]


async def test_while_a_transaction_opens_no_other_is_opened_for_those_whom_it_will_take() -> None:
    transactions = Transactions(abreast=2, wait=0)
    transactions.opening.clear()
    transactions.join("a")
    await turns()
    transactions.join("b")

    await turns()

    assert transactions.begun == 1


async def test_one_that_does_not_open_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_OPENS_WITHIN", 0.01)
    transactions = Transactions(abreast=2, wait=0)
    transactions.opening.clear()
    transactions.join("a")
    await turns()
    transactions.join("b")

    async with asyncio.timeout(5):
        while transactions.begun < 2:  # noqa: ASYNC110 - the line's own timer is what is waited for
            await asyncio.sleep(0.005)


async def test_a_group_is_bounded() -> None:
    transactions = Transactions(size=2)
    transactions.committing.set()

    await asyncio.gather(*transactions.join("a", "b", "c", "d", "e"))

    assert transactions.groups == [["a", "b"], ["c", "d"], ["e"]]


async def test_who_has_waited_long_enough_goes_beside_the_one_in_flight() -> None:
    transactions = Transactions(abreast=2, wait=0.5)
    transactions.join("a")
    await turns()
    transactions.join("b")
    await turns()
    assert transactions.groups == [["a"]]

    await transactions.until_left(2)

    assert transactions.groups == [["a"], ["b"]]


async def test_no_more_than_so_many_are_in_flight() -> None:
    transactions = Transactions(abreast=2, wait=0, size=1)
    transactions.join("a", "b", "c")

    await turns()

    assert transactions.groups == [["a"], ["b"]]


def product(name: str) -> str:
    """The lock of an order's name: `tea 1` and `tea 2` have the same."""
    return name.split(maxsplit=1)[0]


async def test_who_would_wait_for_a_lock_of_one_under_way_stays_in_the_line() -> None:
    transactions = Transactions(abreast=3, wait=0, lock_of=product)
    transactions.join("tea 1")
    await turns()

    transactions.join("tea 2", "mug 1", "tea 3", "mug 2")
    await turns()

    assert transactions.groups == [["tea 1"], ["mug 1", "mug 2"]]


async def test_when_the_lock_is_free_those_whom_it_kept_go_together() -> None:
    transactions = Transactions(abreast=3, wait=0, lock_of=product)
    first = transactions.join("tea 1")
    await turns()
    others = transactions.join("tea 2", "tea 3")
    await turns()

    transactions.committing.set()

    assert await asyncio.gather(*first, *others) == ["placed tea 1", "placed tea 2", "placed tea 3"]
    assert transactions.groups == [["tea 1"], ["tea 2", "tea 3"]]


@pytest.mark.parametrize("error", [TransactionLost("deadlock"), OutcomeUnknown("lost")])
async def test_a_group_that_fails_keeps_nobody_by_its_locks(error: Exception) -> None:
    transactions = Transactions(abreast=3, wait=0, lock_of=product)
    transactions.at_commit = [error]
    transactions.join("tea 1", "mug 1")
    await turns()
    others = transactions.join("tea 2", "mug 2")
    await turns()

    transactions.committing.set()

    assert await asyncio.gather(*others) == ["placed tea 2", "placed mug 2"]


async def test_a_group_that_all_have_left_and_that_fails_keeps_nobody_by_its_locks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "_BEHIND_A_LOCK", LONG)
    transactions = Transactions(abreast=1, wait=0, lock_of=product)
    transactions.at_commit = [TransactionLost("deadlock")]
    transactions.deciding.clear()
    (leaving,) = transactions.join("tea 1")
    await turns()
    leaving.cancel()
    await turns()
    transactions.deciding.set()
    transactions.committing.set()
    await turns()

    async with asyncio.timeout(5):
        assert await asyncio.gather(*transactions.join("tea 2")) == ["placed tea 2"]


async def test_a_lock_that_is_held_too_long_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_BEHIND_A_LOCK", 0.5)
    transactions = Transactions(abreast=2, wait=0, lock_of=product)
    transactions.join("tea 1")
    await turns()
    transactions.join("tea 2")
    await turns()
    assert transactions.groups == [["tea 1"]]

    await transactions.until_left(2)


async def test_who_is_free_goes_at_once_though_the_first_in_the_line_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_BEHIND_A_LOCK", LONG)
    transactions = Transactions(abreast=2, wait=0.01, lock_of=product)
    transactions.join("tea 1")
    await turns()
    transactions.join("tea 2")
    await turns()
    transactions.join("mug 1")

    await transactions.until_left(2)

    assert transactions.groups == [["tea 1"], ["mug 1"]]


async def test_who_is_cancelled_in_the_line_is_in_no_group() -> None:
    transactions = Transactions()
    transactions.join("a")
    await turns()
    gone, stays = transactions.join("b", "c")
    await turns()

    gone.cancel()
    transactions.committing.set()

    assert await stays == "placed c"
    assert transactions.groups == [["a"], ["c"]]


async def test_who_is_cancelled_before_the_group_writes_is_left_out_of_it() -> None:
    transactions = Transactions()
    transactions.deciding.clear()
    gone, stays = transactions.join("a", "b")
    await turns()

    gone.cancel()
    await turns()
    transactions.deciding.set()
    transactions.committing.set()

    assert await stays == "placed b"
    assert transactions.groups == [["b"]]


async def test_who_is_cancelled_in_a_group_that_writes_harms_nobody() -> None:
    transactions = Transactions()
    gone, stays = transactions.join("a", "b")
    await turns()

    gone.cancel()
    await turns()
    transactions.committing.set()

    assert await stays == "placed b"
    assert transactions.groups == [["a", "b"]]


async def test_whose_time_ends_in_the_line_is_dropped_before_the_group_begins() -> None:
    transactions = Transactions()
    transactions.join("a")
    await turns()
    request_context.set_deadline(time.monotonic() + 0.5)
    (late,) = transactions.join("b")

    with pytest.raises(DatabaseUnavailable) as refused:
        await late
    transactions.committing.set()
    await turns()

    assert not isinstance(refused.value, DeadlinePassed)
    assert transactions.groups == [["a"]]


async def test_whose_time_ends_before_the_group_writes_hears_that_nothing_was_written() -> None:
    transactions = Transactions()
    transactions.deciding.clear()
    request_context.set_deadline(time.monotonic() + 0.5)
    (late,) = transactions.join("a")

    with pytest.raises(DeadlinePassed):
        await late
    transactions.deciding.set()
    await turns()

    assert transactions.groups == [[]]


async def test_whose_time_ends_in_the_commit_is_told_what_became_of_it() -> None:
    transactions = Transactions()
    request_context.set_deadline(time.monotonic() + 0.5)
    (late,) = transactions.join("a")
    await asyncio.sleep(0.6)
    assert not late.done()

    transactions.committing.set()

    assert await late == "placed a"


async def test_who_comes_without_time_is_refused_at_once() -> None:
    transactions = Transactions()
    request_context.set_deadline(time.monotonic() - 1)

    with pytest.raises(DeadlinePassed):
        await transactions.line.join("a")
    assert transactions.begun == 0


async def test_a_group_has_no_ones_deadline() -> None:
    transactions = Transactions()
    request_context.set_deadline(time.monotonic() + 5)
    transactions.join("a")

    await turns()

    assert transactions.deadlines == [None]


@pytest.mark.parametrize(
    ("error", "settling"),
    [(TransactionLost("deadlock"), False), (OutcomeUnknown("lost"), True), (RuntimeError("a bad row"), False)],
)
async def test_a_group_that_fails_sends_each_on_alone(error: Exception, settling: bool) -> None:
    transactions = Transactions()
    transactions.at_commit = [error]
    transactions.committing.set()

    assert await asyncio.gather(*transactions.join("a", "b")) == [Alone(settling), Alone(settling)]


async def test_only_who_wrote_has_something_to_settle() -> None:
    transactions = Transactions()
    transactions.writers = {"a"}
    transactions.at_commit = [OutcomeUnknown("lost")]
    transactions.committing.set()

    assert await asyncio.gather(*transactions.join("a", "refused")) == [Alone(settling=True), Alone()]


async def test_a_transaction_that_never_opens_sends_the_line_on_alone() -> None:
    async def none(_group: Group[str, str]) -> Awaitable[None]:
        raise DatabaseUnavailable("no primary")

    closed: Line[str, str] = Line(none, size=64, abreast=1, wait=LONG, splits=SPLITS)

    assert await asyncio.gather(*(closed.join(name) for name in "ab")) == [Alone(), Alone()]


async def test_answers_that_fail_after_the_commit_are_looked_up_by_each() -> None:
    def fail() -> None:
        raise RuntimeError("no signing key")

    transactions = Transactions()
    transactions.after = fail
    transactions.committing.set()

    assert await asyncio.gather(*transactions.join("a")) == [Alone(settling=True)]


async def test_after_a_group_that_failed_the_next_one_goes() -> None:
    transactions = Transactions()
    transactions.at_commit = [TransactionLost("deadlock")]
    first = transactions.join("a")
    await turns()
    second = transactions.join("b")
    await turns()
    transactions.committing.set()

    assert await asyncio.gather(*first, *second) == [Alone(), "placed b"]
    assert transactions.groups == [["a"], ["b"]]
