"""The queue looks at each key once at a time, as soon as it is due, and never forgets one."""

import asyncio

import pytest

from hcs_operator.runtime.queue import FIRST_RETRY, LAST_RETRY, KeyedQueue, Result

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> KeyedQueue[str]:
    return KeyedQueue(clock)


async def test_a_key_added_many_times_is_taken_once(queue: KeyedQueue[str]) -> None:
    for _ in range(5):
        queue.add("shop")
    assert await queue.take() == "shop"
    assert queue.depth() == 0


async def test_an_earlier_date_replaces_a_later_one(queue: KeyedQueue[str], clock: Clock) -> None:
    queue.add("shop", 30)
    queue.add("shop", 1)
    clock.now += 1
    assert await queue.take() == "shop"


async def test_a_later_date_does_not_replace_an_earlier_one(queue: KeyedQueue[str]) -> None:
    queue.add("shop")
    queue.add("shop", 30)
    assert queue.depth() == 1


async def test_a_key_added_while_worked_on_is_taken_again_only_afterwards(queue: KeyedQueue[str]) -> None:
    queue.add("shop")
    await queue.take()
    queue.add("shop")
    assert queue.depth() == 0
    queue.done("shop", Result())
    assert await queue.take() == "shop"


async def test_failures_delay_the_next_look_twice_as_long_up_to_a_cap(queue: KeyedQueue[str], clock: Clock) -> None:
    queue.add("shop")
    delays = []
    for _ in range(12):
        key = await queue.take()
        before = clock.now
        queue.done(key, Result(failed=True))
        while queue.depth() == 0:
            clock.now += 0.5
        delays.append(clock.now - before)
    assert delays[:3] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert delays[-1] == LAST_RETRY
    assert queue.retries == 12


async def test_a_success_ends_the_history_of_failures(queue: KeyedQueue[str], clock: Clock) -> None:
    for result in (Result(failed=True), Result(failed=True), Result(), Result(failed=True)):
        queue.add("shop")
        clock.now += LAST_RETRY
        queue.done(await queue.take(), result)
    clock.now += FIRST_RETRY
    assert queue.depth() == 1


async def test_the_age_counts_a_look_that_hangs(queue: KeyedQueue[str], clock: Clock) -> None:
    queue.add("shop")
    await queue.take()
    clock.now += 400
    assert queue.oldest_age() == 400


async def test_a_forgotten_key_is_not_taken(queue: KeyedQueue[str]) -> None:
    queue.add("shop", 0.0)
    queue.forget("shop")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), 0.01)


async def test_two_workers_never_work_on_one_key_together(queue: KeyedQueue[str]) -> None:
    together, most, looks = 0, 0, 0
    finished = asyncio.Event()

    async def look(_: str) -> Result:
        nonlocal together, most, looks
        together, looks = together + 1, looks + 1
        most = max(most, together)
        queue.add("shop")
        await asyncio.sleep(0)
        together -= 1
        if looks == 20:
            finished.set()
        return Result()

    workers = [asyncio.create_task(queue.work(look)) for _ in range(3)]
    queue.add("shop")
    await asyncio.wait_for(finished.wait(), 5)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert most == 1


async def test_what_a_handler_raises_ends_the_worker(queue: KeyedQueue[str]) -> None:
    async def broken(_: str) -> Result:
        raise RuntimeError("escaped")

    queue.add("shop")
    with pytest.raises(RuntimeError, match="escaped"):
        await queue.work(broken)
