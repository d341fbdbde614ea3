"""Many tasks through workers that are killed at random, and many dead letters through a redrive that is killed.

Small in `make test`; `make many-tasks` runs a hundred thousand of each and prints what it saw.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.engine.mysql_servers import MysqlGroup
from tests.engine.worker.conftest import Rows
from tests.engine.worker.counting_worker import EFFECTS
from tests.engine.worker.hcs_tasks import LONG, HcsTasks
from tests.engine.worker.task_stack import TaskStack

from hcs_services.database import many_rows
from hcs_services.database.members import PrimaryPool
from hcs_services.queue import Broker, Publisher, TaskMessage, connect, decode
from hcs_services.queue.letters import Letters
from hcs_services.queue.message import ATTEMPT_HEADER, REASON_HEADER
from hcs_services.queue.topology import DEAD, DEFAULT
from hcs_services.worker import dead_letters, task_rows
from hcs_services.worker.registry import TRIES

pytestmark = pytest.mark.engine

WORKERS = 2


@pytest.fixture
def count(request: pytest.FixtureRequest) -> int:
    number: int = request.config.getoption("--tasks")
    return number


@pytest.fixture
def workers(
    tier_environment: Callable[[str], dict[str, str]], mysql_group: MysqlGroup
) -> Iterator[Callable[..., TaskStack]]:
    """Starts as many counting workers in the place of those before, with these settings."""
    mysql_group.primary.run(EFFECTS)
    stack = TaskStack(tier_environment)

    def start(number: int = WORKERS, **settings: str) -> TaskStack:
        stack.kill_workers()
        for _ in range(number):
            one_more(stack, **settings)
        return stack

    yield start
    stack.close()


def one_more(stack: TaskStack, **settings: str) -> None:
    many = {"WORKER_CONCURRENCY": "16", "WORKER_PREFETCH": "32"}
    stack.tier("worker", program="tests.engine.worker.counting_worker", **many, **settings)


class Run:
    """The tasks of one test: their ids begin alike."""

    def __init__(self, publisher: Publisher, rows: Rows) -> None:
        self.name = secrets.token_hex(6).upper()
        self.accepted: list[str] = []
        self._publisher = publisher
        self._rows = rows
        self._room = asyncio.Semaphore(200)

    async def publish(self, to: str, queue: str = DEFAULT, **headers: Any) -> str:
        """Returns the task's id once the broker has confirmed it."""
        task_id = f"{self.name}{len(self.accepted):08d}"
        self.accepted.append(task_id)
        payload = {"user_id": "ada", "to": f"{to}@customers.example", "subject": "Hi", "body": "There"}
        body = TaskMessage(task_id, "send_email", payload, datetime.now(UTC)).encode()
        async with self._room:
            told = {name.replace("_", "-"): value for name, value in headers.items()}
            await self._publisher.publish(queue, body, told, 60)
        return task_id

    async def publish_all(self, recipients: Sequence[str], queue: str = DEFAULT, **headers: Any) -> list[str]:
        return await asyncio.gather(*(self.publish(to, queue, **headers) for to in recipients))

    async def ended(self, status: str) -> int:
        (row,) = await self._rows(
            "SELECT COUNT(*) AS n FROM tasks WHERE task_id LIKE %s AND status = %s", f"{self.name}%", status
        )
        return int(row["n"])

    async def until(self, status: str, least: int) -> None:
        pause = max(0.05, len(self.accepted) / 50_000)  # counting many takes its time, too
        async with asyncio.timeout(LONG):
            while True:
                if await self.ended(status) >= least:
                    return
                await asyncio.sleep(pause)

    async def effects(self) -> dict[str, int]:
        """How many each task had."""
        found = await self._rows(
            "SELECT task_id, COUNT(*) AS n FROM effects WHERE task_id LIKE %s GROUP BY task_id", f"{self.name}%"
        )
        return {row["task_id"]: row["n"] for row in found}

    async def letters(self, broker: Broker) -> dict[str, tuple[str, int]]:
        """Reason and attempts of each letter, by task."""
        session = await connect(broker, "many-letters")
        try:
            found = [letter async for letter in dead_letters.everything(Letters(session))]
        finally:
            await session.close()
        ours = [letter for letter in found if self.name.encode() in letter.body]  # other tests leave theirs
        return {
            decode(letter.body).task_id: (letter.headers[REASON_HEADER], letter.headers[ATTEMPT_HEADER])
            for letter in ours
        }


@pytest.fixture
def run(publisher: Publisher, rows: Rows) -> Run:
    return Run(publisher, rows)


async def dead_rows(pool: PrimaryPool, task_ids: Sequence[str]) -> None:
    """Writes the tasks as workers leave them that gave them up."""
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [(task_id, "send_email", "dead", TRIES, "{}", now, now, 0, 1) for task_id in task_ids]
    for first in range(0, len(rows), 1000):
        async with pool.transaction() as tx:
            await many_rows.insert(tx, "tasks", task_rows.COLUMNS, rows[first : first + 1000])


async def kill_at_random(stack: TaskStack, run: Run, healthy: int, rng: random.Random) -> int:
    """Kills a worker and starts another one at moments that lie at random between the first task's end and the last's;
    how often.
    """
    moments = sorted(rng.sample(range(1, healthy), max(3, healthy // 4000)))
    for moment in moments:
        await run.until("succeeded", moment)
        doomed = rng.choice(stack.workers)
        doomed.kill()
        stack.workers.remove(doomed)
        await asyncio.to_thread(one_more, stack)
    return len(moments)


async def test_every_accepted_task_has_one_effect_though_workers_are_killed_and_the_poisonous_ones_after_a_redrive(
    count: int, run: Run, workers: Callable[..., TaskStack], broker: Broker, hcs_tasks: HcsTasks
) -> None:
    poison = count // 50
    refused = await run.publish_all(["refused"] * poison)
    # all of their tries take half a minute, which is for the large run
    down = await run.publish_all(["down"] * poison, task_attempt=TRIES - 1 if count < 10_000 else 0)
    healthy = ["ann", "bob", "cyd", "once"] * (count // 4)
    await run.publish_all(healthy[2 * poison :])
    expected = {**dict.fromkeys(refused, ("mail-refused", 1)), **dict.fromkeys(down, ("retries-spent", TRIES))}

    started, stack = time.monotonic(), workers()
    killed = await kill_at_random(stack, run, count - len(expected), random.Random(7))
    await run.until("succeeded", count - len(expected))
    await run.until("dead", len(expected))
    took = time.monotonic() - started
    print(f"{count} tasks, {killed} workers killed: {took:.0f} s, {count / took:.0f} tasks/s")
    assert await run.letters(broker) == expected
    assert await run.effects() == dict.fromkeys(set(run.accepted) - set(expected), 1)

    workers(MENDED="1")
    await hcs_tasks.run("redrive", "--reason", "mail-refused", "--rate", "5000")
    await hcs_tasks.redrive_until({}, lambda: run.letters(broker), "--type", "send_email", "--rate", "5000")
    await run.until("succeeded", count)
    assert await run.effects() == dict.fromkeys(run.accepted, 1)


async def test_a_task_whose_try_failed_waits_for_no_other_ones_back_off(
    run: Run, workers: Callable[..., TaskStack], rows: Rows
) -> None:
    workers(1)
    ahead = await run.publish("twice", task_attempt=1)  # its second try fails: it waits for 5 s
    await run.until("retrying", 1)
    behind = await run.publish("once")  # its first: it waits for 1 s, from a later moment on
    await run.until("succeeded", 2)
    ends = await rows("SELECT task_id FROM tasks WHERE task_id LIKE %s ORDER BY finished_at", f"{run.name}%")
    assert [row["task_id"] for row in ends] == [behind, ahead]


async def test_a_redrive_that_is_killed_loses_and_doubles_nothing_and_leaves_what_was_not_asked_for(
    count: int, run: Run, workers: Callable[..., TaskStack], broker: Broker, hcs_tasks: HcsTasks, pool: PrimaryPool
) -> None:
    workers()
    ours, theirs = f"a-{run.name}", f"b-{run.name}"
    wanted = await run.publish_all(["ann"] * (count // 2), DEAD, dead_reason=ours, task_attempt=TRIES)
    others = await run.publish_all(["bob"] * (count // 2), DEAD, dead_reason=theirs, task_attempt=TRIES)
    await dead_rows(pool, run.accepted)

    async def in_the_middle() -> bool:
        return await run.ended("succeeded") >= len(wanted) // 4

    await hcs_tasks.redrive_and_be_killed(in_the_middle, "--reason", ours, "--rate", str(count / 16))
    left = dict.fromkeys(others, (theirs, TRIES))
    await hcs_tasks.redrive_until(left, lambda: run.letters(broker), "--reason", ours, "--rate", "5000")
    await run.until("succeeded", len(wanted))
    assert await run.effects() == dict.fromkeys(wanted, 1)
