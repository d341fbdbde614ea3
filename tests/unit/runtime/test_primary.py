"""Who leads, over whole looks: one event for a change, whatever operator sees it."""

from pathlib import Path

import pytest
from tests.unit.runtime.benches import KEY, Bench
from tests.unit.runtime.trios import NAMES, annotate, events, restarted, with_trio

from hcs_operator.decide.database.steps import HandOver
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import STACK_KIND

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


async def test_a_request_is_carried_out_once_and_the_users_annotation_is_left_alone(
    bench: Bench, tmp_path: Path
) -> None:
    trio = await with_trio(bench)
    annotate(bench, promote=NAMES[2])
    await bench.look(times=3)
    assert [step for step in trio.performed if isinstance(step, HandOver)]
    assert bench.status()["database"]["currentPrimary"] == NAMES[2]
    assert bench.status()["database"]["promotion"]["state"] == "Done"
    assert events(bench, "PrimaryChanged") == [f"{NAMES[0]} -> {NAMES[2]}: it handed over on request"]
    trio.performed.clear()
    trio.leader = NAMES[0]  # a failover
    again = restarted(bench, Bench(tmp_path), trio)
    again.now += 3600
    await again.look(times=3)
    assert trio.performed == []
    assert events(again, "PrimaryChanged")[1:] == [f"{NAMES[2]} -> {NAMES[0]}: the group chose it"]
    stack = again.cluster.objects[Ref(STACK_KIND, *KEY)]
    assert stack["metadata"]["annotations"] == {"highconcurrency.dev/promote": NAMES[2]}


async def test_a_request_that_cannot_be_met_is_one_warning_and_no_condition_falls(bench: Bench) -> None:
    trio = await with_trio(bench)
    before = {entry["type"]: entry["status"] for entry in bench.status()["conditions"]}
    annotate(bench, promote="shop-replica-0-0")
    await bench.look(times=3)
    (told,) = events(bench, "PromotionRefused")
    assert told.startswith("shop-replica-0-0 is not made to lead: it is a read replica")
    assert trio.performed == []
    assert {entry["type"]: entry["status"] for entry in bench.status()["conditions"]} == before
    bench.cluster.writes.clear()
    await bench.look(times=2)
    assert bench.cluster.writes == []


async def test_a_paused_stack_is_not_handed_over_and_the_request_waits(bench: Bench) -> None:
    trio = await with_trio(bench)
    stack = bench.cluster.objects[Ref(STACK_KIND, *KEY)]
    bench.cluster.put({**stack, "spec": {**stack["spec"], "paused": True}})
    annotate(bench, promote=NAMES[1])
    await bench.look(times=2)
    assert (trio.leader, trio.performed) == (NAMES[0], [])
    assert events(bench, "PromotionRefused") == []
    bench.now += 3600
    stack = bench.cluster.objects[Ref(STACK_KIND, *KEY)]
    bench.cluster.put({**stack, "spec": {**stack["spec"], "paused": False}})
    await bench.look(times=2)
    assert trio.leader == NAMES[1]
