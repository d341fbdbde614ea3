"""The runner through outages, bugs and stops, with every engine played."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.unit.worker.played import NOW, World
from tests.unit.worker.played_tables import PlayedDatabase

from hcs_services.database.errors import DatabaseUnavailable, TransactionTooLarge
from hcs_services.queue.backoff import Backoff
from hcs_services.queue.message import ATTEMPT_HEADER, DETAIL_HEADER, REASON_HEADER, SOURCE_HEADER
from hcs_services.worker.task import Permanent, Transient

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts are a millisecond."""
    monkeypatch.setattr(Backoff, "next", lambda _self: 0.001)


async def test_a_task_is_acknowledged_last() -> None:
    world = World()
    await world.runner.run(world.delivery())
    assert world.log == ["cache", "ack"]
    assert world.pool.statuses() == ["succeeded"]


async def test_deliveries_that_share_commits_are_acknowledged_after_the_last_of_them() -> None:
    database = PlayedDatabase()
    world = World(database=database)
    running = [asyncio.create_task(world.runner.run(world.delivery(task_id=f"T{n}"))) for n in range(5)]
    while world.prepared < 5:  # noqa: ASYNC110 - the runner's own tasks are what is waited for
        await asyncio.sleep(0)
    database.open_commits.clear()
    for _ in range(50):
        await asyncio.sleep(0)
    assert world.log == []

    database.open_commits.set()
    await asyncio.gather(*running)

    assert world.log.count("ack") == 5
    assert database.tables.inbox == {f"T{n}" for n in range(5)}
    assert database.commits < 2 * 5


async def test_of_deliveries_in_a_group_the_one_that_fails_is_tried_again_and_the_others_are_done() -> None:
    database = PlayedDatabase()
    world = World(database=database)
    world.effect_fails, world.effect_fails_of = KeyError("a bug"), "T1"
    await asyncio.gather(*(world.runner.run(world.delivery(task_id=f"T{n}")) for n in range(3)))

    assert {name: row["status"] for name, row in database.tables.tasks.items()} == {
        "T0": "succeeded",
        "T1": "retrying",
        "T2": "succeeded",
    }
    assert [(exchange, headers[ATTEMPT_HEADER]) for exchange, _, headers in world.published] == [("hcs.wait.900", 1)]
    assert world.log.count("ack") == 3


async def test_an_outage_of_the_database_costs_no_try() -> None:
    world = World(outages=7)
    await world.runner.run(world.delivery())
    assert world.log == ["cache", "ack"]
    assert world.prepared == 1


async def test_a_database_that_goes_away_within_the_handler_costs_no_try() -> None:
    world = World()
    world.fails = [DatabaseUnavailable("gone")] * 3
    await world.runner.run(world.delivery())
    assert world.log == ["cache", "ack"]
    assert world.prepared == 4


async def test_an_effect_that_is_too_large_for_the_database_is_not_repeated_for_ever() -> None:
    world = World()
    world.effect_fails = TransactionTooLarge("3100")
    async with asyncio.timeout(5):
        await world.runner.run(world.delivery())
    assert world.published[-1][2][REASON_HEADER] == "too-large"


async def test_a_process_that_stops_during_an_outage_gives_the_task_back() -> None:
    world = World(outages=10**9)
    running = asyncio.create_task(world.runner.run(world.delivery()))
    await asyncio.sleep(0.02)
    world.runner.stopping.set()
    async with asyncio.timeout(5):
        await running
    assert world.log == ["requeue"]


async def test_a_transient_failure_waits_with_its_try_counted_and_is_acknowledged_after_the_confirm() -> None:
    world = World(refusals=3)
    world.fails = [Transient("mail-deferred", "451")]
    await world.runner.run(world.delivery(attempt=1))
    assert world.log == ["publish", "ack"]
    ((exchange, queue, headers),) = world.published
    assert (exchange, queue, headers[ATTEMPT_HEADER]) == ("hcs.wait.4500", "hcs.default", 2)
    assert world.pool.statuses() == ["retrying"]


async def test_the_last_failure_is_a_dead_letter_with_its_reason_and_source() -> None:
    world = World()
    world.fails = [Transient("mail-deferred", "451")]
    await world.runner.run(world.delivery(attempt=3))
    assert world.log == ["publish", "ack"]
    ((exchange, queue, headers),) = world.published
    assert (exchange, queue) == ("", "hcs.dead")
    assert (headers[REASON_HEADER], headers[SOURCE_HEADER], headers[ATTEMPT_HEADER]) == (
        "retries-spent",
        "hcs.default",
        4,
    )
    assert world.pool.statuses() == ["dead"]


async def test_a_dead_letter_that_a_crash_prevented_is_made_up_for_with_the_reason_and_the_tries_of_the_death() -> None:
    world = World()
    world.pool.task_row = {"status": "dead", "error": "retries-spent: 4 tries failed: the last"}
    await world.runner.run(world.delivery(attempt=3, redelivered=True))
    assert world.log == ["publish", "ack"]
    ((_, queue, headers),) = world.published
    assert (queue, headers[ATTEMPT_HEADER]) == ("hcs.dead", 4)
    assert (headers[REASON_HEADER], headers[DETAIL_HEADER]) == ("retries-spent", "4 tries failed: the last")


async def test_a_handler_without_a_bound_goes_on_at_the_longest_wait() -> None:
    world = World(tries=None)
    world.fails = [Transient("provider", "503")]
    await world.runner.run(world.delivery(attempt=1999))
    ((exchange, _, headers),) = world.published
    assert (exchange, headers[ATTEMPT_HEADER]) == ("hcs.wait.27000", 2000)


async def test_a_permanent_failure_is_dead_at_the_first_try() -> None:
    world = World()
    world.fails = [Permanent("declined", "no")]
    await world.runner.run(world.delivery())
    assert world.published[0][2][REASON_HEADER] == "declined"


async def test_a_bug_in_a_handler_is_tried_again_and_told_without_its_words() -> None:
    world = World()
    world.fails = [KeyError("something secret")]
    await world.runner.run(world.delivery(attempt=3))
    ((_, _, headers),) = world.published
    assert "handler-error: KeyError" in headers[DETAIL_HEADER]
    assert "secret" not in str(headers)


async def test_a_handler_that_takes_too_long_is_cut_short_and_tried_again() -> None:
    world = World(seconds=0.01)
    world.hangs = True
    await world.runner.run(world.delivery())
    assert world.published[0][0] == "hcs.wait.900"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"task_type": "paint_house"}, "unknown-type"), ({"at": NOW - timedelta(days=8)}, "expired")],
)
async def test_what_cannot_be_done_never_reaches_a_handler(changes: dict[str, Any], reason: str) -> None:
    world = World()
    await world.runner.run(world.delivery(**changes))
    assert world.prepared == 0
    assert world.published[0][2][REASON_HEADER] == reason
    assert world.log == ["publish", "ack"]


def redelivered(earlier: str) -> float:
    labels = {"type": "send_email", "earlier": earlier}
    return REGISTRY.get_sample_value("hcs_worker_redelivered_total", labels) or 0


@pytest.mark.parametrize(
    ("status", "earlier"),
    [
        (None, "unstarted"),
        ("retrying", "unstarted"),
        ("running", "unfinished"),
        ("succeeded", "finished"),
        ("dead", "finished"),
    ],
)
async def test_a_delivery_that_comes_again_is_counted_by_how_far_the_earlier_one_came(
    status: str | None, earlier: str
) -> None:
    world, before = World(), redelivered(earlier)
    world.pool.task_row = {"status": status, "error": None} if status else None
    await world.runner.run(world.delivery(redelivered=True))
    assert redelivered(earlier) == before + 1


async def test_a_retry_is_no_delivery_that_comes_again() -> None:
    world, before = World(), redelivered("unstarted")
    world.pool.task_row = {"status": "retrying", "error": "451"}
    await world.runner.run(world.delivery(attempt=1))
    assert redelivered("unstarted") == before
