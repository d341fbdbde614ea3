"""One look, whatever is found: a stack's trouble stays its own, and nothing is written that need not be."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.apiserver.played_engines import PlayedDatabase
from tests.unit.runtime.benches import KEY, Bench
from tests.unit.runtime.trios import with_trio

from hcs_operator.act.carry_out import BEGUN_WITHIN
from hcs_operator.api.database import Facts, Instance
from hcs_operator.decide.database.steps import SqlStep, subject
from hcs_operator.kube.errors import BudgetSpent, Unavailable
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import STACK_KIND
from hcs_operator.mysql.errors import Refused
from hcs_operator.observe.store import Key
from hcs_operator.observe.warnings import ASKED_AGAIN
from hcs_operator.runtime.queue import Result
from hcs_operator.runtime.reconcile import GONE, MOVING, Reconciler

pytestmark = pytest.mark.unit


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_the_first_look_makes_secrets_the_second_the_engines(bench: Bench) -> None:
    bench.stack({})
    await bench.look()
    assert bench.kinds() == {"Secret", "ConfigMap"}
    await bench.look()
    assert "StatefulSet" in bench.kinds()


async def test_every_condition_is_set_on_first_sight(bench: Bench) -> None:
    bench.stack({})
    await bench.look()
    assert {"Ready", "Reconciling", "Stalled", "Paused"} <= {entry["type"] for entry in bench.status()["conditions"]}


async def test_a_look_that_finds_nothing_new_writes_nothing(bench: Bench) -> None:
    bench.stack({})
    await bench.look(times=4)
    bench.cluster.writes.clear()
    await bench.look(times=3)
    assert bench.cluster.writes == []


async def test_a_label_added_to_a_selector_is_taken_away(bench: Bench) -> None:
    bench.stack({})
    await bench.look(times=4)
    edited = copy.deepcopy(bench.cluster.objects[Ref("Service", "shop", "shop-gateway")])
    chosen = dict(edited["spec"]["selector"])
    edited["spec"]["selector"]["x"] = "y"
    bench.cluster.put(edited)
    await bench.look(times=2)
    assert bench.cluster.objects[Ref("Service", "shop", "shop-gateway")]["spec"]["selector"] == chosen
    bench.cluster.writes.clear()
    await bench.look(times=2)
    assert bench.cluster.writes == []


async def test_a_status_of_an_old_look_is_not_written_over_a_newer_one_and_what_it_did_is_told(bench: Bench) -> None:
    bench.stack({})
    await bench.look(times=4)
    stack, secret = Ref(STACK_KIND, *KEY), Ref("Secret", "shop", "shop-database")

    def another_operator_founds(kind: str, document: dict[str, Any]) -> None:
        if kind == "ADDED" and Ref.to(document) == secret:
            known = bench.cluster.objects[stack]
            database = {**known["status"]["database"], "bootstrapped": True}
            bench.cluster.put({**known, "status": {**known["status"], "database": database}})

    bench.cluster.put({**bench.cluster.objects[stack], "spec": {"database": {"members": 3}}})  # so that there is news
    bench.cluster.watch(another_operator_founds)
    await bench.cluster.delete(secret, bench.cluster.objects[secret]["metadata"]["uid"])
    assert await bench.look() == Result(requeue_after=MOVING)
    assert bench.status()["database"]["bootstrapped"]
    told = {document["reason"] for ref, document in bench.cluster.objects.items() if ref.kind == "Event"}
    assert "Healed" in told


async def test_a_paused_stack_gets_a_status_and_no_child(bench: Bench) -> None:
    bench.stack({"paused": True})
    await bench.look(times=3)
    assert bench.kinds() == set()
    assert bench.condition("Paused")["status"] == "True"


async def test_a_spec_that_cannot_be_read_is_a_condition(bench: Bench) -> None:
    bench.stack({"workers": {"concurrency": "many"}})
    assert await bench.look() == Result()
    assert bench.condition("Stalled")["reason"] == "InvalidSpec"
    assert "spec.workers.concurrency" in bench.condition("Stalled")["message"]


async def test_a_deleted_stack_is_left_to_the_garbage_collector(bench: Bench) -> None:
    stack = bench.stack({})
    await bench.look(times=2)
    await bench.cluster.delete(Ref(STACK_KIND, *KEY), stack["metadata"]["uid"])
    bench.cluster.writes.clear()
    assert await bench.look() == Result()
    assert (bench.cluster.writes, bench.kinds()) == ([], set())


async def test_secrets_of_an_earlier_life_are_waited_out_and_never_used(bench: Bench) -> None:
    stack = bench.stack({})
    await bench.look(times=2)
    left = {ref: document for ref, document in bench.cluster.objects.items() if ref.kind == "Secret"}
    await bench.cluster.delete(Ref(STACK_KIND, *KEY), stack["metadata"]["uid"])
    bench.stack({})
    for document in left.values():
        bench.cluster.put(document)  # the garbage collector has not come yet
    bench.cluster.writes.clear()
    assert (await bench.look()).requeue_after == MOVING
    assert bench.condition("Reconciling")["reason"] == "WaitingForDeletion"
    assert "Secret shop-ca " in bench.condition("Reconciling")["message"]
    assert [verb for verb, ref in bench.cluster.writes if ref.kind != "Event"] == ["apply/status"]
    for ref in left:
        await bench.cluster.delete(ref, bench.cluster.objects[ref]["metadata"]["uid"])
    await bench.look(times=2)
    assert all(bench.cluster.objects[ref]["data"] != left[ref]["data"] for ref in left)


async def test_a_namespace_being_deleted_is_looked_at_rarely_and_without_error(bench: Bench) -> None:
    bench.stack({})
    bench.cluster.terminating.add("shop")
    assert await bench.look() == Result(requeue_after=GONE)


async def test_an_api_server_that_does_not_answer_is_a_failed_look(bench: Bench) -> None:
    bench.stack({})
    await bench.look()
    bench.cluster.refuse[("apply", Ref("StatefulSet", "shop", "shop-cache"))] = Unavailable("no answer")
    assert await bench.look() == Result(failed=True)
    bench.cluster.refuse.clear()
    assert await bench.look() == Result(requeue_after=MOVING)


async def test_a_restarted_operator_goes_on_without_a_write(bench: Bench, tmp_path: Path) -> None:
    bench.stack({})
    await bench.look(times=4)
    again = Bench(tmp_path)
    again.cluster.objects, again.cluster._owned = bench.cluster.objects, bench.cluster._owned
    again.cluster._versions = bench.cluster._versions
    for document in bench.cluster.objects.values():
        if document["kind"] != "Event":
            again.process.store.put(document)
    await again.look(times=2)
    assert [write for write in again.cluster.writes if write[0] != "apply/status"] == []


async def test_a_copy_of_a_pod_with_its_labels_breaks_no_look(bench: Bench) -> None:
    bench.stack({})
    await bench.look(times=3)
    labels = {"highconcurrency.dev/stack": "shop", "app.kubernetes.io/component": "db"}
    metadata = {"name": "dbg", "namespace": "shop", "labels": labels}
    bench.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    bench.cluster.writes.clear()
    assert not (await bench.look()).failed
    assert bench.cluster.writes == []


async def test_a_broker_that_is_slow_once_turns_nothing_and_a_second_time_it_is_told(bench: Bench) -> None:
    bench.stack({})
    await bench.look(times=3)
    bench.pod("queue", "StatefulSet", "shop-queue")
    await bench.look(times=2)
    assert bench.condition("QueueHealthy")["status"] == "True"
    with bench.world.change() as state:
        state["queue"] = {"down": True}
    bench.cluster.writes.clear()
    bench.now += 5
    assert (await bench.look()).requeue_after == MOVING
    assert bench.cluster.writes == []
    bench.now += MOVING
    await bench.look()
    assert bench.condition("QueueHealthy")["status"] == "False"


async def test_a_quota_that_refuses_an_engines_pod_is_told(bench: Bench) -> None:
    bench.stack({})
    await bench.look(times=3)
    uid = bench.cluster.objects[Ref("StatefulSet", "shop", "shop-cache")]["metadata"]["uid"]
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "shop"}, "type": "Warning"}
    about = {"reason": "FailedCreate", "message": "exceeded quota: small", "involvedObject": {"uid": uid}}
    bench.cluster.put({**event, **about})
    bench.now += ASKED_AGAIN
    await bench.look()
    assert bench.condition("Stalled")["reason"] == "FailedCreate"
    assert "cache cannot make its pods: exceeded quota: small" in bench.condition("Stalled")["message"]


class Stubborn(PlayedDatabase):
    """One instance refuses every step."""

    refuses = "shop-replica-0-0"

    async def perform(self, step: SqlStep) -> None:
        if subject(step) == self.refuses:
            raise Refused("error 3862: no room on the device")
        await super().perform(step)


async def test_a_step_that_fails_at_one_reader_is_told_when_it_fails_again_and_starves_no_other(bench: Bench) -> None:
    stubborn = Stubborn(bench.world)
    assert isinstance(bench.process.handler, Reconciler)
    bench.process.handler.hands.database = stubborn
    bench.stack({})
    await bench.look(times=3)
    bench.pod("db", "StatefulSet", "shop-db-0")
    for ordinal in (0, 1):
        bench.pod("replica", "StatefulSet", "shop-replica-0", ordinal)
    await bench.look(times=12)
    states = {entry["name"]: entry["state"] for entry in bench.status()["database"]["instances"]}
    assert states["shop-replica-0-1"] == "Following"
    assert bench.condition("Stalled")["reason"] == "StatementRefused"
    assert "shop-replica-0-0 cannot be given a copy of the data" in bench.condition("Stalled")["message"]
    assert "no room on the device" in bench.condition("Stalled")["message"]
    stubborn.refuses = ""
    await bench.look(times=4)
    assert bench.condition("Stalled")["status"] == "False"


async def test_no_pod_is_deleted_on_a_look_that_was_long_ago(bench: Bench) -> None:
    class Frozen(PlayedDatabase):
        async def examine(self, instance: Instance) -> Facts:
            bench.now += BEGUN_WITHIN + 1.0
            return await super().examine(instance)

    assert isinstance(bench.process.handler, Reconciler)
    awake, member = bench.process.handler.eyes, Ref("Pod", "shop", "shop-db-0-0")
    bench.stack({})
    await bench.look(times=3)
    known = bench.cluster.objects[Ref("StatefulSet", "shop", "shop-db-0")]
    bench.cluster.put({**known, "status": {"observedGeneration": 9, "updateRevision": "new"}})
    bench.pod("db", "StatefulSet", "shop-db-0")  # of an older template
    bench.process.handler.eyes = replace(awake, database=Frozen(bench.world))
    await bench.look(times=6)
    assert bench.status()["database"]["currentPrimary"] == member.name
    assert member in bench.cluster.objects
    bench.process.handler.eyes = awake
    await bench.look(times=2)
    assert member not in bench.cluster.objects


async def test_a_pod_that_its_budget_holds_is_told_and_goes_once_the_budget_is_free(bench: Bench) -> None:
    await with_trio(bench)
    known, second = bench.cluster.objects[Ref("StatefulSet", "shop", "shop-db-0")], Ref("Pod", "shop", "shop-db-0-2")
    bench.cluster.put({**known, "status": {"observedGeneration": 9, "updateRevision": "new"}})
    said = "The disruption budget shop-db-0 needs 2 healthy pods and has 2 currently"
    bench.cluster.refuse[("evict", second)] = BudgetSpent(said)
    await bench.look(times=2)
    bench.cluster.writes.clear()
    result = await bench.look()
    assert bench.cluster.writes == [("evict", second)], "the same word is not written twice"
    assert (result.failed, result.requeue_after) == (False, MOVING)
    assert bench.condition("Reconciling")["reason"] == "WaitingForBudget"
    assert bench.condition("Reconciling")["message"] == f"shop-db-0-2 is not made anew yet: {said}."
    assert bench.condition("Stalled")["status"] == "False"
    bench.cluster.refuse.clear()
    await bench.look()
    assert second not in bench.cluster.objects
    assert bench.condition("Reconciling")["reason"] != "WaitingForBudget"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "gateway",
    "writeApi",
    "workers",
    "database",
    "readReplicas",
    "queue",
    "cache",
    "autoscaling",
    "images",
    "template",
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3))
async def test_any_stored_spec_is_answered_and_its_neighbour_goes_on(tmp_path: Path, spec: dict[str, Any]) -> None:
    bench, other = Bench(tmp_path), Key("shop", "shop-2")
    bench.stack(spec)
    bench.stack({}, other)
    for _ in range(2):
        assert not (await bench.look()).failed
        assert not (await bench.look(other)).failed
    assert "StatefulSet" in bench.kinds()
    assert bench.condition("Stalled", other)["status"] == "False"
