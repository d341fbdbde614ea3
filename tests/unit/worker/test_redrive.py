"""Which letters are redriven, and that an end at any step loses none and doubles no effect."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from hcs_services.queue import TaskMessage, decode
from hcs_services.queue.letters import Letter
from hcs_services.worker import handlers
from hcs_services.worker.audit import Purpose
from hcs_services.worker.dead_letters import OTHERS, Wanted
from hcs_services.worker.purge import OWED, PURGED, Purge
from hcs_services.worker.redrive import DONE_BEFORE, EXPIRED, MALFORMED, REDRIVEN, SETTLED, Chosen, Redrive, choose
from hcs_services.worker.registry import HANDLERS

pytestmark = pytest.mark.unit

assert handlers
NOW = datetime.now(UTC)


def letter(
    task_id: str = "T1",
    *,
    task_type: str = "send_email",
    reason: str = "mail-refused",
    at: datetime = NOW,
    tag: int = 1,
) -> Letter:
    headers = {"dead-reason": reason, "dead-queue": "hcs.default", "task-attempt": 4, "x-death": [], "traceparent": "t"}
    return Letter(TaskMessage(task_id, task_type, {}, at).encode(), headers, tag)


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        (letter(), Wanted(reason="mail-server"), OTHERS),
        (letter(), Wanted(type="sync_data"), OTHERS),
        (letter(task_type="paint"), Wanted(), MALFORMED),
        (Letter(b"{", {}, 1), Wanted(), MALFORMED),
        (letter(task_type="process_payment"), Wanted(), SETTLED),
        (letter(at=NOW - timedelta(days=8)), Wanted(), EXPIRED),
    ],
)
def test_letters_that_are_left(given: Letter, wanted: Wanted, expected: str) -> None:
    assert choose(given, wanted, HANDLERS, NOW) == expected


def test_a_letter_is_redriven_as_a_first_try_without_what_its_death_left() -> None:
    chosen = choose(letter(), Wanted("mail-refused", "send_email"), HANDLERS, NOW)
    assert isinstance(chosen, Chosen)
    assert chosen.headers == {"traceparent": "t"}


class Killed(BaseException):
    """The redrive's process is gone."""


class World:
    """Letters, tasks' rows, the audit's and a queue, which outlive a redrive; `left` steps until it is killed."""

    def __init__(self, *letters: Letter, statuses: dict[str, str] | None = None) -> None:
        self.letters = list(letters)
        self.statuses = statuses or {}
        self.queue: list[str] = []
        self.audit: list[tuple[Any, ...]] = []
        """(action, task, because)"""
        self.left = 1000
        self.waits: list[float] = []
        self._taken = 0

    def redrive(self) -> Redrive:
        self._taken = 0
        purpose = Purpose("the mail server is back")
        return Redrive(self, cast("Any", self), self.publish, HANDLERS, purpose, clock=lambda: 0.0, sleep=self.sleep)

    def purge(self) -> Purge:
        self._taken = 0
        return Purge(self, cast("Any", self), Purpose("they were tests"))

    def _step(self) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1

    async def count(self) -> int:
        return len(self.letters)

    async def take(self) -> Letter | None:
        self._step()
        self._taken += 1
        return self.letters[self._taken - 1] if self._taken <= len(self.letters) else None

    def remove(self, letter: Letter) -> None:
        self._step()
        self.letters.remove(letter)
        self._taken -= 1

    @contextlib.asynccontextmanager
    async def transaction(self, **_options: Any) -> AsyncIterator[World]:
        self._step()
        yield self

    committed_gtid = ""

    async def fetch_all(self, _sql: str, arguments: Sequence[str]) -> list[dict[str, str]]:
        return [{"task_id": name, "status": self.statuses[name]} for name in arguments if name in self.statuses]

    async def execute(self, sql: str, arguments: Sequence[Any]) -> int:
        if "dead_letter_audit" in sql:
            rows = [arguments[first : first + 9] for first in range(0, len(arguments), 9)]
            self.audit += [(row[3], row[4], row[8]) for row in rows]
            return len(rows)
        for name in arguments[2:]:
            if self.statuses.get(name) == "dead":
                self.statuses[name] = "retrying"
        return 1

    async def publish(self, queue: str, body: bytes, *_options: Any, **_named: Any) -> None:
        self._step()
        assert queue == "hcs.default"
        self.queue.append(decode(body).task_id)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


async def test_a_redrive_that_is_killed_before_any_of_its_steps_leaves_the_rest_to_the_next_one() -> None:
    names = [f"T{number}" for number in range(3)]
    for steps in range(9 + 1):  # take three, one transaction, publish three, remove three
        world = World(*(letter(name) for name in names), statuses=dict.fromkeys(names, "dead"))
        world.left = steps
        with pytest.raises(Killed):
            await world.redrive().run(Wanted(), 100)
        assert all(world.statuses[name] == "retrying" for name in world.queue)  # else workers would bury them again
        world.left = 1000
        await world.redrive().run(Wanted(), 100)
        assert set(world.queue) == set(names)
        assert world.letters == []


async def test_a_task_that_has_succeeded_meanwhile_is_not_published_and_one_with_two_letters_is_once() -> None:
    world = World(letter("T1"), letter("T2", tag=2), letter("T2", tag=3), statuses={"T1": "succeeded", "T2": "dead"})
    told = await world.redrive().run(Wanted(), 100)
    assert world.queue == ["T2"]
    assert world.letters == []
    assert told == Counter({REDRIVEN: 1, DONE_BEFORE: 2})
    why = "the mail server is back"
    assert world.audit == [(REDRIVEN, "T2", why), (REDRIVEN, "T2", why), (DONE_BEFORE, "T1", why)]


async def test_a_limit_and_a_rate_are_kept_and_what_was_not_asked_for_stays() -> None:
    others = [letter(f"O{number}", reason="mail-server") for number in range(5)]
    ours = [letter(f"T{number}") for number in range(10)]
    world = World(*others, *ours)
    told = await world.redrive().run(Wanted("mail-refused", limit=7), 2)
    assert world.queue == [f"T{number}" for number in range(7)]
    assert world.letters == [*others, *ours[7:]]
    assert told == Counter({REDRIVEN: 7, OTHERS: 5})
    assert world.waits == [1.0, 2.0, 3.0, 3.5]  # two a second


async def test_a_task_that_dies_again_meanwhile_is_not_taken_up_twice_by_one_redrive() -> None:
    world = World(letter("T1"))

    async def publish(*_sent: Any, **_named: Any) -> None:
        assert not world.queue
        world.queue.append("T1")
        world.letters.append(letter("T1", tag=2))

    await Redrive(world, cast("Any", world), publish, HANDLERS, Purpose(""), sleep=world.sleep).run(Wanted(), 1)
    assert [left.tag for left in world.letters] == [2]


async def test_a_purge_throws_away_what_was_named_and_writes_each_down() -> None:
    others, refund = letter("O1", reason="mail-server"), letter("R1", task_type="refund_payment")
    malformed = Letter(b"{", {"dead-reason": "mail-refused"}, 9)
    world = World(others, letter("T1"), refund, malformed, letter("T2"))
    told = await world.purge().run(Wanted("mail-refused"))
    assert world.letters == [others, refund]
    assert world.audit == [(PURGED, name, "they were tests") for name in ("T1", None, "T2")]
    assert told == Counter({PURGED: 3, OTHERS: 1, OWED: 1})


async def test_refunds_are_purged_by_their_type_alone() -> None:
    world = World(letter("R1", task_type="refund_payment"), letter("T1"))
    assert await world.purge().run(Wanted(type="refund_payment")) == Counter({PURGED: 1, OTHERS: 1})
    assert [(action, name) for action, name, _ in world.audit] == [(PURGED, "R1")]


async def test_a_purge_that_is_killed_has_written_down_whatever_it_removed() -> None:
    for steps in range(4 + 1):  # take two, one transaction, remove two
        world = World(letter("T1"), letter("T2", tag=2))
        world.left = steps
        with pytest.raises(Killed):
            await world.purge().run(Wanted("mail-refused"))
        gone = {"T1", "T2"} - {decode(left.body).task_id for left in world.letters}
        assert gone <= {name for _, name, _ in world.audit}
        world.left = 1000
        await world.purge().run(Wanted("mail-refused"))
        assert world.letters == []
        assert {name for _, name, _ in world.audit} == {"T1", "T2"}


async def test_a_purge_keeps_its_limit() -> None:
    world = World(*(letter(f"T{number}") for number in range(5)))
    assert await world.purge().run(Wanted("mail-refused", limit=2)) == Counter({PURGED: 2})
    assert [decode(left.body).task_id for left in world.letters] == ["T2", "T3", "T4"]
