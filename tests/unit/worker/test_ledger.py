"""Tasks that begin and have their effect together: one commit, and each its own answer whatever becomes of the group."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.worker.played_tables import MysqlError, PlayedDatabase

from hcs_services import request_context
from hcs_services.database import settle
from hcs_services.database.errors import DatabaseFailure, TransactionTooLarge
from hcs_services.worker.ledger import SPLITS, Ledger
from hcs_services.worker.task import Done, Effect, Permanent, Task
from hcs_services.worker.task_rows import Earlier

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Result = TypeVar("Result")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No deadline, and no pause before a transaction is run again."""
    monkeypatch.setattr(settle, "_PAUSE", (0.0, 0.0))
    request_context.set_deadline(None)
    yield
    request_context.set_deadline(None)


class Rig:
    """A ledger over a played database."""

    def __init__(self) -> None:
        self.database = PlayedDatabase()
        self.ledger = Ledger(cast("Any", self.database), lambda: NOW)
        self._splits = SPLITS._value.get()

    @property
    def splits(self) -> float:
        return float(SPLITS._value.get() - self._splits)

    async def begin(self, *names: str) -> list[Earlier | None]:
        return await asyncio.gather(*(self.ledger.begin(task(name)) for name in names))

    async def take(self, *names: str, **failures: Exception) -> list[Done | BaseException | None]:
        """Have each task's effect at once; what it comes to or raises."""
        wanted = [self.ledger.take_effect(task(name), effect(name, failures.get(name))) for name in names]
        return await asyncio.gather(*wanted, return_exceptions=True)

    def statuses(self) -> dict[str, str]:
        return {name: row["status"] for name, row in self.database.tables.tasks.items()}


def task(name: str, attempt: int = 1) -> Task:
    return Task(name, "send_email", {"user_id": "ada"}, NOW, attempt)


def effect(name: str, failure: Exception | None = None) -> Effect:
    async def act(tx: Any, _now: datetime) -> Done:
        tx.tables.effects.append(name)
        if failure is not None:
            raise failure
        return Done(result={"of": name}, dead="refused: too late" if name.startswith("late") else None)

    return act


def done(name: str) -> Done:
    return Done(result={"of": name})


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_tasks_that_begin_together_are_one_commit_and_a_statement_a_table() -> None:
    rig = Rig()

    assert await rig.begin("c", "a", "b") == [None, None, None]

    assert rig.statuses() == {"a": "running", "b": "running", "c": "running"}
    assert (rig.database.commits, len(rig.database.statements)) == (1, 2)


async def test_effects_that_come_together_are_one_commit_with_a_result_each() -> None:
    rig = Rig()
    await rig.begin("a", "b", "late")
    rig.database.statements.clear()

    answers = await rig.take("a", "late", "b")

    assert [done("a"), Done({"of": "late"}, "refused: too late"), done("b")] == answers
    assert (rig.database.commits, len(rig.database.statements)) == (2, 2)
    assert rig.statuses() == {"a": "succeeded", "b": "succeeded", "late": "dead"}
    row = rig.database.tables.tasks["late"]
    assert (json.loads(row["result"]), row["error"]) == ({"of": "late"}, "refused: too late")
    assert rig.database.tables.inbox == {"a", "b", "late"}


async def test_some_begin_in_the_transaction_in_which_others_have_their_effect() -> None:
    rig = Rig()
    await rig.begin("a")

    await asyncio.gather(rig.begin("b"), rig.take("a"))

    assert rig.database.commits == 2
    assert rig.statuses() == {"a": "succeeded", "b": "running"}


async def test_a_task_alone_waits_for_nobody() -> None:
    rig = Rig()
    async with asyncio.timeout(0.04):  # less than a task may wait for others
        await rig.begin("a")
        await rig.take("a")

    assert rig.database.commits == 2


async def test_an_effect_that_is_to_be_alone_shares_no_transaction() -> None:
    rig = Rig()
    await rig.begin("a", "b")

    await asyncio.gather(
        rig.ledger.take_effect(task("a"), effect("a"), alone=True),
        rig.ledger.take_effect(task("b"), effect("b"), alone=True),
    )

    assert (rig.database.commits, rig.database.tables.effects) == (3, ["a", "b"])


async def test_nobody_hears_anything_before_the_commit() -> None:
    rig = Rig()
    await rig.begin("a", "b")
    rig.database.open_commits.clear()
    waiting = [asyncio.create_task(rig.take(name)) for name in ("a", "b")]
    await turns()
    assert rig.database.tables.effects == []
    assert not any(each.done() for each in waiting)

    rig.database.open_commits.set()

    assert await asyncio.gather(*waiting) == [[done("a")], [done("b")]]


async def test_an_effect_that_fails_fails_its_own_delivery_only() -> None:
    rig = Rig()
    await rig.begin("a", "b", "c")

    first, second, third = await rig.take("a", "b", "c", b=Permanent("declined", "no"))

    assert [first, third] == [done("a"), done("c")]
    assert isinstance(second, Permanent)
    assert rig.statuses() == {"a": "succeeded", "b": "running", "c": "succeeded"}
    assert rig.database.tables.inbox == {"a", "c"}
    assert sorted(rig.database.tables.effects) == ["a", "c"]
    assert rig.splits == 1


async def test_a_task_that_was_given_up_meanwhile_has_no_effect_and_the_others_have_theirs() -> None:
    rig = Rig()
    await rig.begin("a", "b")
    rig.database.tables.tasks["b"]["status"] = "dead"

    first, second = await rig.take("a", "b")

    assert first == done("a")
    assert isinstance(second, Permanent)
    assert second.reason == "dead-before"
    assert rig.database.tables.effects == ["a"]


async def test_a_task_that_had_its_effect_is_a_repetition_and_the_others_are_not() -> None:
    rig = Rig()
    await rig.begin("a", "b")
    await rig.take("a")

    assert await rig.take("a", "b") == [None, done("b")]
    assert rig.database.tables.effects == ["a", "b"]


async def test_a_task_that_is_twice_in_a_group_has_one_effect() -> None:
    rig = Rig()

    assert await rig.begin("a", "a") == [None, Earlier("running", None)]
    assert await rig.take("a", "a") == [done("a"), None]

    assert (rig.database.tables.effects, rig.splits) == (["a"], 0)


async def test_a_try_again_is_counted_and_one_that_has_ended_is_not_begun() -> None:
    rig = Rig()
    await rig.begin("a", "b")
    await rig.take("b")

    again, ended = await asyncio.gather(*(rig.ledger.begin(task(name, attempt=3)) for name in "ab"))

    assert (again, ended) == (Earlier("running", None), Earlier("succeeded", None))
    assert [rig.database.tables.tasks[name]["attempts"] for name in "ab"] == [3, 1]


@pytest.mark.parametrize("at", ["INSERT INTO inbox", "UPDATE tasks FORCE INDEX"])
@pytest.mark.parametrize("error", [MysqlError(1213, "deadlock"), MysqlError(2013, "lost"), MysqlError(1062, "twice")])
async def test_a_group_that_fails_goes_on_one_by_one(at: str, error: Exception) -> None:
    rig = Rig()
    await rig.begin("a", "b", "c")
    rig.database.at_statement[at] = error

    assert await rig.take("a", "b", "c") == [done("a"), done("b"), done("c")]
    assert sorted(rig.database.tables.effects) == ["a", "b", "c"]
    assert (rig.splits, rig.database.commits) == (1, 4)


async def test_a_group_that_is_too_large_for_the_database_is_perhaps_not_so_one_by_one() -> None:
    rig = Rig()
    await rig.begin("a", "b")

    first, second = await rig.take("a", "b", b=TransactionTooLarge("3100"))

    assert first == done("a")
    assert isinstance(second, Permanent)
    assert second.reason == "too-large"


@pytest.mark.parametrize("fate", ["unclear", "unheard"])
async def test_a_commit_of_unknown_outcome_is_settled_by_each_ones_inbox_row(fate: str) -> None:
    rig = Rig()
    await rig.begin("a", "b")
    rig.database.at_commit = [fate]

    answers = await rig.take("a", "b")

    assert answers == ([done("a"), done("b")] if fate == "unclear" else [None, None])
    assert sorted(rig.database.tables.effects) == ["a", "b"]
    assert rig.statuses() == {"a": "succeeded", "b": "succeeded"}


async def test_a_task_that_a_commit_of_unknown_outcome_has_ended_as_dead_is_told_to_be_so_once() -> None:
    rig = Rig()
    await rig.begin("late")
    rig.database.at_commit = ["unheard"]

    assert await rig.take("late") == [Done(dead="refused: too late")]
    assert await rig.take("late") == [None]  # another delivery: whoever had the effect has told


_FATES = st.lists(st.sampled_from(["", "lost", "unclear", "unheard"]), max_size=12)
_DELIVERIES = st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), min_size=1, max_size=12)


@given(deliveries=_DELIVERIES, fates=_FATES, turns_between=st.lists(st.integers(0, 9), min_size=12, max_size=12))
def test_whatever_becomes_of_commits_each_task_has_one_effect_and_nobody_hears_of_another(
    deliveries: list[tuple[str, bool]], fates: list[str], turns_between: list[int]
) -> None:
    """Deliveries of five tasks, some failing in their effect, at times that let them share transactions or not."""
    asyncio.run(_one_effect_each(deliveries, fates, turns_between))


async def _one_effect_each(deliveries: list[tuple[str, bool]], fates: list[str], turns_between: list[int]) -> None:
    rig = Rig()
    rig.database.at_commit = list(fates)

    async def deliver(name: str, failure: Exception | None) -> Done | BaseException | None:
        earlier = await _through(lambda: rig.ledger.begin(task(name)))
        if earlier is not None and earlier.ended:
            return None
        return await _through(lambda: rig.ledger.take_effect(task(name), effect(name, failure)))

    running = []
    for (name, fails), pause in zip(deliveries, turns_between, strict=False):
        running.append(asyncio.create_task(deliver(name, Permanent("no", "no") if fails else None)))
        for _ in range(pause):
            await asyncio.sleep(0)
    answers = await asyncio.gather(*running, return_exceptions=True)

    tables = rig.database.tables
    worked = {name for name, fails in deliveries if not fails}
    assert sorted(worked) == sorted(tables.effects)
    assert worked == tables.inbox
    assert {"succeeded"} >= {tables.tasks[name]["status"] for name in worked}
    for (name, fails), answer in zip(deliveries, answers, strict=True):
        if fails and name not in worked:
            assert isinstance(answer, Permanent)
        else:
            assert answer is None or (answer == done(name) and not fails) or (isinstance(answer, Permanent) and fails)


async def _through(step: Callable[[], Awaitable[Result]]) -> Result:
    """As the runner does: repeat a step that an outage ended."""
    while True:
        try:
            return await step()
        except DatabaseFailure:
            await asyncio.sleep(0)
