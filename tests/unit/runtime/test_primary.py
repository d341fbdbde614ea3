"""Who leads, over whole looks: one event for a change, whatever operator sees it."""

from pathlib import Path

import pytest
from tests.unit.runtime.benches import Bench
from tests.unit.runtime.trios import NAMES, events, restarted, with_trio

pytestmark = pytest.mark.unit


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_change_is_one_event_and_a_restarted_operator_does_not_repeat_it(bench: Bench, tmp_path: Path) -> None:
    trio = await with_trio(bench)
    assert bench.status()["database"]["currentPrimary"] == NAMES[0]
    assert events(bench, "PrimaryChanged") == []
    trio.leader = NAMES[1]
    await bench.look(times=3)
    told = [f"{NAMES[0]} -> {NAMES[1]}: the group chose it"]
    assert events(bench, "PrimaryChanged") == told
    again = restarted(bench, Bench(tmp_path), trio)
    await again.look(times=3)
    assert events(again, "PrimaryChanged") == told


async def test_an_operator_that_starts_while_nobody_leads_still_tells_who_led_before(
    bench: Bench, tmp_path: Path
) -> None:
    trio = await with_trio(bench)
    trio.leader = ""
    await bench.look(times=2)
    again = restarted(bench, Bench(tmp_path), trio)
    await again.look(times=2)
    trio.leader = NAMES[2]
    await again.look(times=2)
    assert events(again, "PrimaryChanged") == [f"{NAMES[0]} -> {NAMES[2]}: the group chose it"]
