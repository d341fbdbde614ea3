"""One look, whatever is found: a stack's trouble stays its own, and nothing is written that need not be."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.apiserver.played_engines import PlayedDatabase, PlayedQueue, PlayedServices, World

from hcs_operator.__main__ import compose
from hcs_operator.config import Config
from hcs_operator.kube.errors import Unavailable
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import API_VERSION, STACK_KIND
from hcs_operator.observe.store import Key
from hcs_operator.runtime.queue import Result
from hcs_operator.runtime.reconcile import GONE, MOVING

pytestmark = pytest.mark.unit
KEY = Key("shop", "shop")


class Bench:
    """A cluster in memory, watched by an operator whose looks the test orders."""

    def __init__(self, folder: Path) -> None:
        self.cluster, self.world = Cluster(), World(folder / "world.json")
        world = self.world
        self.process = compose(Config(), self.cluster, PlayedDatabase(world), PlayedQueue(world), PlayedServices(world))
        self.cluster.watch(self._seen)

    def _seen(self, kind: str, document: dict[str, Any]) -> None:
        (self.process.store.drop if kind == "DELETED" else self.process.store.put)(document)

    def stack(self, spec: Any, key: Key = KEY) -> dict[str, Any]:
        metadata = {"name": key.stack, "namespace": key.namespace}
        return self.cluster.put({"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": metadata, "spec": spec})

    async def look(self, key: Key = KEY, times: int = 1) -> Result:
        for _ in range(times):
            result = await self.process.handler(key)
        return result

    def status(self, key: Key = KEY) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.objects[Ref(STACK_KIND, *key)].get("status", {})
        return found

    def condition(self, kind: str, key: Key = KEY) -> dict[str, Any]:
        return next(entry for entry in self.status(key)["conditions"] if entry["type"] == kind)

    def kinds(self) -> set[str]:
        return {ref.kind for ref in self.cluster.objects if ref.kind not in {STACK_KIND, "Event"}}


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


async def test_looks_are_counted_by_how_they_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(word: str) -> float | None:
        return bench.process.metrics.registry.get_sample_value("hcs_operator_look_seconds_count", {"result": word})

    def broken(key: Key) -> Any:
        raise ZeroDivisionError

    bench.stack({})
    await bench.look()
    bench.cluster.refuse[("apply", Ref("StatefulSet", "shop", "shop-cache"))] = Unavailable("no answer")
    await bench.look()
    monkeypatch.setattr(bench.process.store, "children", broken)
    assert await bench.look() == Result(failed=True)
    assert [ended(word) for word in ("done", "failed", "broke", "namespace-gone")] == [1, 1, 1, None]


async def test_a_count_that_is_written_is_counted_with_its_reason(bench: Bench) -> None:
    owner = {"uid": bench.stack({})["metadata"]["uid"], "controller": True, "kind": STACK_KIND, "name": "shop"}
    await bench.look(times=2)
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    for kind, component, status in (
        ("Deployment", "worker", {}),
        ("Pod", "queue", {"phase": "Running", "podIP": "10.0.0.1", "conditions": [ready]}),
    ):
        labels = {"highconcurrency.dev/stack": "shop", "app.kubernetes.io/component": component}
        metadata = {"name": f"shop-{component}", "namespace": "shop", "labels": labels, "ownerReferences": [owner]}
        bench.cluster.put({"kind": kind, "metadata": metadata, "spec": {}, "status": status})
    with bench.world.change() as world:
        world["queue"] = {"ready": 5000, "published": 5000}
    await bench.look(times=2)
    assert bench.cluster.objects[Ref("Deployment", "shop", "shop-worker")]["spec"]["replicas"] == 10
    labels = {"tier": "workers", "reason": "Backlog"}
    assert bench.process.metrics.registry.get_sample_value("hcs_autoscaler_decisions_total", labels) == 1


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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
