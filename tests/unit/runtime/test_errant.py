"""A reader with transactions of its own, over whole looks: exported, read back, rebuilt, and told of."""

from pathlib import Path

import pytest
from tests.unit.database.in_memory import FakeDatabase
from tests.unit.runtime.benches import KEY, Bench
from tests.unit.runtime.trios import events, replace_database

from hcs_operator.decide.database.steps import Clone
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import STACK_KIND
from hcs_operator.mysql.errors import Unreachable
from hcs_operator.observe.store import slim

pytestmark = pytest.mark.unit
READER, OWN = "shop-replica-0-0", "99999999-9999-5999-8999-999999999999:1-3"


async def strayed(folder: Path, **database: str) -> tuple[Bench, FakeDatabase]:
    """A stack with a member and a reader, of which the reader has been written to."""
    bench, played = Bench(folder), FakeDatabase()
    replace_database(bench, played)
    bench.stack({"database": database})
    await bench.look(times=3)
    bench.pod("db", "StatefulSet", "shop-db-0")
    bench.pod("replica", "StatefulSet", "shop-replica-0")
    await bench.look(times=8)
    assert bench.status()["database"]["instances"][1]["readEligible"] is True
    played.stray(READER, OWN)
    return bench, played


def exports(bench: Bench) -> list[Ref]:
    return [ref for ref in bench.cluster.objects if ref.kind == "ConfigMap" and "-errant-" in ref.name]


def reader(bench: Bench) -> dict[str, object]:
    found: dict[str, object] = bench.status()["database"]["instances"][1]
    return found


async def test_it_is_exported_rebuilt_and_serves_again(tmp_path: Path) -> None:
    bench, played = await strayed(tmp_path)
    await bench.look()
    assert reader(bench)["readEligible"] is False
    await bench.look(times=8)
    (export,) = exports(bench)
    assert OWN not in played.volume(READER).executed
    assert reader(bench)["readEligible"] is True
    assert "export" not in reader(bench)
    assert [export.name in message for message in events(bench, "ErrantExported")] == [True]
    assert [export.name in message for message in events(bench, "InstanceRebuilt")] == [True]
    assert bench.condition("Stalled")["status"] == "False"


async def test_an_export_outlives_its_stack_and_is_never_pruned(tmp_path: Path) -> None:
    bench, _ = await strayed(tmp_path)
    await bench.look(times=12)
    bench.cluster.writes.clear()
    await bench.look(times=3)
    assert bench.cluster.writes == []
    stack = bench.cluster.objects[Ref(STACK_KIND, *KEY)]
    await bench.cluster.delete(Ref(STACK_KIND, *KEY), stack["metadata"]["uid"])
    await bench.look()
    assert len(exports(bench)) == 1


async def test_an_operator_that_dies_after_the_export_goes_on_from_the_configmap(tmp_path: Path) -> None:
    bench, played = await strayed(tmp_path)
    while not exports(bench):
        await bench.look()
    again = Bench(tmp_path)
    again.cluster.objects = bench.cluster.objects
    for document in list(bench.cluster.objects.values()):
        if document["kind"] != "Event":
            again.process.store.put(slim(document))
    replace_database(again, played)
    await again.look(times=3)
    assert [step.given_up for step in played.performed if isinstance(step, Clone)][-1]
    assert len(exports(again)) == 1


async def test_quarantine_exports_nothing_and_says_so(tmp_path: Path) -> None:
    bench, played = await strayed(tmp_path, errant="Quarantine")
    await bench.look(times=5)
    assert exports(bench) == []
    assert OWN in played.volume(READER).executed
    assert reader(bench)["readEligible"] is False
    assert bench.condition("Stalled")["reason"] == "ReaderDiverged"


async def test_what_cannot_be_exported_is_told_and_kept(tmp_path: Path) -> None:
    bench, played = await strayed(tmp_path)
    while not exports(bench):
        await bench.look()
    (export,) = exports(bench)
    bench.cluster.put({**bench.cluster.objects[export], "binaryData": {}})
    await bench.look(times=3)
    assert bench.condition("Stalled")["reason"] == "ErrantNotExported"
    assert "delete it" in bench.condition("Stalled")["message"]
    assert OWN in played.volume(READER).executed


async def test_a_rebuild_goes_on_when_the_reader_answers_again(tmp_path: Path) -> None:
    bench, played = await strayed(tmp_path)
    while not exports(bench):
        await bench.look()
    played.silent[READER] = Unreachable("no route")
    bench.now += 5
    await bench.look(times=3)
    assert events(bench, "InstanceRebuilt") == []
    del played.silent[READER]
    await bench.look(times=8)
    assert len(events(bench, "InstanceRebuilt")) == 1
