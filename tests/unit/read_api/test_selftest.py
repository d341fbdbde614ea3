"""The self-test's verdicts."""

from __future__ import annotations

import pytest
from tests.unit.read_api.servers import Levels

from hcs_services.admin import SelftestResult
from hcs_services.database.staleness import Outage
from hcs_services.read_api.selftest import Selftest

pytestmark = pytest.mark.unit


async def verdict(levels: Levels) -> SelftestResult:
    return await Selftest(levels.cache, levels.cluster, levels.cluster).run()


async def test_a_replica_and_a_cache_that_answer_are_all_it_takes() -> None:
    result = await verdict(Levels())
    assert (result.ok, result.reason, result.data["replicas"], result.data["cache"]) == (True, "ReadsWork", 1, 1)


async def test_the_caches_figures_are_told_to_who_cannot_ask_it() -> None:
    result = await verdict(Levels())
    assert tuple(result.data[f"cache_{name}"] for name in ("keys", "uptime_seconds", "used_bytes")) == (1, 60, 1_000)


async def test_without_a_replica_the_primary_is_enough_and_the_message_says_so() -> None:
    levels = Levels()
    levels.cluster.replica.down = True
    result = await verdict(levels)
    assert (result.ok, result.reason, result.data["replicas"]) == (True, "NoReplica", 0)


async def test_without_the_cache_reads_work_and_the_message_says_so() -> None:
    levels = Levels()
    levels.cache.down = True
    result = await verdict(levels)
    assert (result.ok, result.reason, result.data["cache"]) == (True, "CacheUnavailable", 0)


async def test_without_any_server_it_fails() -> None:
    levels = Levels()
    levels.cluster.replica.down = levels.cluster.primary.down = True
    result = await verdict(levels)
    assert (result.ok, result.reason) == (False, "DatabaseUnreachable")


OUTAGE = Outage(since=1_790_000_000.0, until=1_790_000_060.0, seconds=12.0)
TIMES = {"frozen_since": OUTAGE.since, "frozen_until": OUTAGE.until}


def without_a_primary() -> Levels:
    levels = Levels()
    levels.cluster.primary.down, levels.cluster.frozen = True, OUTAGE
    return levels


async def test_without_a_primary_replicas_serve_and_it_says_since_when_and_until_when() -> None:
    result = await verdict(without_a_primary())
    assert (result.ok, result.reason) == (True, "StaleReads")
    assert TIMES.items() <= result.data.items()
    assert result.message == "Replicas serve what they had at 2026-09-21T14:13:20Z, when a primary was seen last."


async def test_with_a_primary_nothing_is_said_of_stale_reads() -> None:
    assert not TIMES.keys() & (await verdict(Levels())).data.keys()


async def test_replicas_that_are_too_old_without_a_primary_are_a_reason_of_their_own() -> None:
    levels = without_a_primary()
    levels.cluster.too_old = True
    result = await verdict(levels)
    assert (result.ok, result.reason, result.data["replicas"]) == (False, "ReadersTooOld", 0)
    assert TIMES.items() <= result.data.items()


async def test_a_primary_that_answers_serves_whatever_the_replicas_age() -> None:
    levels = Levels()
    levels.cluster.too_old = True
    assert (await verdict(levels)).reason == "NoReplica"


async def test_the_sentence_of_an_outage_does_not_change_while_it_lasts() -> None:
    levels = without_a_primary()
    before = await verdict(levels)
    levels.cluster.frozen = OUTAGE._replace(seconds=40.0)
    assert (before.message, before.reason) == ((now := await verdict(levels)).message, now.reason)
