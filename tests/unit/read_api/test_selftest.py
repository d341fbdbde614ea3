"""The self-test's verdicts."""

from __future__ import annotations

import pytest
from tests.unit.read_api.servers import Levels

from hcs_services.admin import SelftestResult
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
