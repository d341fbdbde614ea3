"""What the operator shows of itself is what happened."""

from copy import deepcopy
from pathlib import Path

import pytest
from tests.unit.runtime.benches import KEY, Bench
from tests.unit.runtime.trios import NAMES, with_trio

from hcs_operator.decide.doubt import SETTLED
from hcs_operator.kube.errors import Unavailable
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import STACK_KIND

pytestmark = pytest.mark.unit
WHERE = {"namespace": KEY.namespace, "stack": KEY.stack}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def shown(bench: Bench, name: str, **labels: str) -> float | None:
    return bench.process.metrics.registry.get_sample_value(name, labels)


def a_queue_and_workers(bench: Bench, workers: int, ready: int) -> None:
    """The objects that a look needs to see before it scales workers."""
    stack = bench.stack({"autoscaling": {"workers": {"hints": {"ratePerReplica": 1}, "maxReplicas": 4}}})
    metadata = {
        "name": "shop-worker",
        "namespace": KEY.namespace,
        "labels": {"app.kubernetes.io/component": "worker", "highconcurrency.dev/stack": KEY.stack},
        "ownerReferences": [{"kind": STACK_KIND, "uid": stack["metadata"]["uid"], "controller": True}],
    }
    spec = {"replicas": workers}
    bench.cluster.put({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    bench.pod("queue", "StatefulSet", "shop-queue")
    with bench.world.change() as state:
        state["queue"] = {"ready": ready}


def switch(bench: Bench, mode: str) -> None:
    stack = deepcopy(bench.cluster.objects[Ref(STACK_KIND, *KEY)])
    stack["spec"]["autoscaling"]["mode"] = mode
    bench.cluster.put(stack)


async def test_a_count_that_was_written_is_a_decision(bench: Bench) -> None:
    a_queue_and_workers(bench, workers=1, ready=1000)
    await bench.look(times=3)
    decision = {"tier": "workers", "direction": "out", "reason": "Backlog"}
    assert shown(bench, "hcs_autoscaler_decisions_total", **WHERE, **decision) == 1
    assert shown(bench, "hcs_autoscaler_queue_ready", **WHERE) == 1000
    assert shown(bench, "hcs_autoscaler_current_replicas", **WHERE, tier="workers") == 4


async def test_dead_letters_are_counted_and_the_condition_says_that_there_are_any(bench: Bench) -> None:
    a_queue_and_workers(bench, workers=1, ready=0)
    with bench.world.change() as state:
        state["queue"] = {"dead": 3}
    await bench.look(times=3)
    assert shown(bench, "hcs_queue_dead_letters", **WHERE) == 3
    assert bench.condition("QueueHealthy")["reason"] == "DeadLetters"


async def test_what_members_have_yet_to_apply_is_shown_of_those_that_answer(bench: Bench) -> None:
    trio = await with_trio(bench)
    trio.queued = {NAMES[1]: 20, NAMES[2]: 30}
    await bench.look()
    assert [shown(bench, "hcs_database_applier_queue", **WHERE, instance=name) for name in NAMES] == [0, 20, 30]
    trio.silent = NAMES[2]
    await bench.look()
    bench.now += SETTLED  # a silence is not believed before
    await bench.look()
    assert [shown(bench, "hcs_database_applier_queue", **WHERE, instance=name) for name in NAMES] == [0, 20, None]


async def test_what_was_not_measured_is_not_shown_as_nought(bench: Bench) -> None:
    a_queue_and_workers(bench, workers=1, ready=0)
    await bench.look(times=3)
    assert shown(bench, "hcs_autoscaler_arrival_rate", **WHERE) == 0
    assert shown(bench, "hcs_autoscaler_service_rate_per_replica", **WHERE) is None


async def test_what_a_law_wants_and_what_is_done_are_two_counts(bench: Bench) -> None:
    a_queue_and_workers(bench, workers=1, ready=1000)
    switch(bench, "Recommend")
    await bench.look(times=3)
    counts = ("current", "desired", "recommended")
    told = [shown(bench, f"hcs_autoscaler_{it}_replicas", **WHERE, tier="workers") for it in counts]
    assert told == [1, 1, 4]


async def test_a_wait_is_shown_while_the_queue_is_seen_and_its_figures_age_while_it_is_not(bench: Bench) -> None:
    a_queue_and_workers(bench, workers=1, ready=1000)
    await bench.look(times=3)
    wait, age = (f"hcs_autoscaler_{it}_seconds" for it in ("estimated_wait", "metric_age"))
    assert shown(bench, wait, **WHERE, tier="workers") == 1000 / 4
    before = shown(bench, age, **WHERE, tier="workers") or 0.0
    with bench.world.change() as state:
        state["queue"] = {"down": True}
    for _ in range(3):
        bench.now += 20
        await bench.look()
    assert shown(bench, wait, **WHERE, tier="workers") is None
    assert shown(bench, age, **WHERE, tier="workers") == pytest.approx(before + 60)


async def test_a_law_that_is_switched_off_shows_nothing(bench: Bench) -> None:
    a_queue_and_workers(bench, workers=1, ready=1000)
    await bench.look(times=3)
    switch(bench, "Off")
    await bench.look()
    names = ("recommended_replicas", "estimated_wait_seconds", "metric_age_seconds", "desired_replicas")
    told = [shown(bench, f"hcs_autoscaler_{it}", **WHERE, tier="workers") for it in names]
    assert told == [None, None, None, 4]


async def test_a_stack_that_is_gone_leaves_no_series(bench: Bench) -> None:
    a_queue_and_workers(bench, workers=1, ready=1000)
    await bench.look(times=3)
    stack = bench.cluster.objects[Ref(STACK_KIND, *KEY)]
    await bench.cluster.delete(Ref(STACK_KIND, *KEY), stack["metadata"]["uid"])
    await bench.look()
    samples = [sample for metric in bench.process.metrics.registry.collect() for sample in metric.samples]
    assert [sample.name for sample in samples if sample.labels.get("stack") == KEY.stack] == []


async def test_a_failed_look_is_told_from_one_that_was_done(bench: Bench) -> None:
    bench.stack({})
    await bench.look()
    bench.cluster.refuse[("apply", Ref("StatefulSet", "shop", "shop-cache"))] = Unavailable("no answer")
    await bench.look()
    counts = [shown(bench, "hcs_operator_look_seconds_count", result=result) for result in ("done", "failed")]
    assert counts == [1, 1]
