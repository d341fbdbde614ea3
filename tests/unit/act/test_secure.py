"""Secrets are made once and renewed by date; one that is deleted is made again and told; a value never is."""

from pathlib import Path

import pytest
from tests.unit.runtime.benches import KEY, Bench
from tests.unit.runtime.trios import restarted, with_trio

from hcs_operator.kube.errors import Failed, Refused
from hcs_operator.kube.port import Ref
from hcs_operator.tls.issue import SERVER_LIFE

pytestmark = pytest.mark.unit
MADE = (
    *(("Secret", f"shop-{name}") for name in ("database", "cache", "queue", "tokens", "ca", "db-tls")),
    ("ConfigMap", "shop-ca"),
)
DUE = SERVER_LIFE.total_seconds() * 0.7  # seconds: past two thirds of a certificate's life


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_certificate_is_renewed_by_a_write_that_the_chart_allows(bench: Bench) -> None:
    bench.stack({})
    await bench.look(times=2)
    before = bench.cluster.objects[Ref("Secret", "shop", "shop-db-tls")]["data"]["tls.crt"]
    bench.now += DUE
    bench.cluster.writes.clear()
    await bench.look()
    assert bench.cluster.objects[Ref("Secret", "shop", "shop-db-tls")]["data"]["tls.crt"] != before
    assert [write for write in bench.cluster.writes if write[0] == "replace"] == []


async def test_a_name_that_is_taken_is_told(bench: Bench) -> None:
    bench.cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-ca", "namespace": "shop"}})
    bench.stack({})
    await bench.look(times=2)
    stalled = bench.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "ForeignObject")
    assert "Secret shop-ca" in stalled["message"]


@pytest.mark.parametrize("failure", [Refused("exceeded quota: secrets"), Failed("a webhook does not answer")])
async def test_a_secret_that_cannot_be_made_is_told_and_no_pod_is_made_without_it(
    bench: Bench, failure: Refused | Failed
) -> None:
    bench.cluster.refuse[("create", Ref("Secret", "shop", "shop-cache"))] = failure
    bench.stack({})
    await bench.look(times=3)
    assert str(failure) in bench.condition("Stalled")["message"]
    assert "StatefulSet" not in bench.kinds()
    bench.cluster.refuse.clear()
    await bench.look(times=2)
    assert "StatefulSet" in bench.kinds()


async def test_a_renewal_that_is_refused_leaves_the_rest_of_the_stack_looked_after(bench: Bench) -> None:
    bench.stack({})
    await bench.look(times=3)
    bench.now += DUE
    bench.cluster.refuse[("apply", Ref("Secret", "shop", "shop-db-tls"))] = Refused("no")
    cache = Ref("Service", "shop", "shop-cache")
    await bench.cluster.delete(cache, bench.cluster.objects[cache]["metadata"]["uid"])
    await bench.look()
    assert cache in bench.cluster.objects
    assert "shop-db-tls" in bench.condition("Stalled")["message"]


async def test_a_part_that_is_refused_is_told_and_the_status_is_written(bench: Bench) -> None:
    stack = bench.stack({})
    await bench.look(times=3)
    owner = {"uid": stack["metadata"]["uid"], "controller": True, "kind": "HighConcurrencyStack", "name": KEY.stack}
    labels = {"highconcurrency.dev/stack": "shop", "app.kubernetes.io/managed-by": "hcs-operator"}
    old = {"name": "shop-old", "namespace": "shop", "labels": labels, "ownerReferences": [owner]}
    bench.cluster.put({"apiVersion": "v1", "kind": "Service", "metadata": old, "spec": {}})
    bench.cluster.refuse[("delete", Ref("Service", "shop", "shop-old"))] = Refused("a webhook says no")
    await bench.look()
    assert "a webhook says no" in bench.condition("Stalled")["message"]


@pytest.mark.parametrize(("kind", "name"), MADE)
async def test_one_that_is_deleted_is_made_again_and_one_event_says_so(bench: Bench, kind: str, name: str) -> None:
    bench.stack({})
    await bench.look(times=3)
    assert _healed(bench) == [], "a start heals nothing"
    it = Ref(kind, "shop", name)
    before = bench.cluster.objects[it]
    await bench.cluster.delete(it, before["metadata"]["uid"])
    await bench.look()
    assert bench.cluster.objects[it]["metadata"]["uid"] != before["metadata"]["uid"]
    assert _healed(bench) == [f"{kind} {name} was deleted and is made again"]
    await bench.look(times=2)
    assert len(_healed(bench)) == 1, "told once"


@pytest.mark.parametrize(("kind", "name"), MADE)
async def test_one_that_is_deleted_while_no_operator_runs_is_told_too_where_what_runs_shows_that_it_was_there(
    bench: Bench, tmp_path: Path, kind: str, name: str
) -> None:
    trio = await with_trio(bench)
    mounting(bench, "shop-database", "shop-cache", "shop-queue", "shop-tokens", "shop-db-tls")
    it = Ref(kind, "shop", name)
    await bench.cluster.delete(it, bench.cluster.objects[it]["metadata"]["uid"])
    again = restarted(bench, Bench(tmp_path), trio)
    await again.look(times=2)
    assert _healed(again) == [f"{kind} {name} was deleted and is made again"]


async def test_a_restarted_operator_tells_of_nothing_of_which_nothing_shows_that_it_was_there(
    bench: Bench, tmp_path: Path
) -> None:
    trio, it = await with_trio(bench), Ref("Secret", "shop", "shop-cache")
    mounting(bench, "shop-cache", phase="Pending")
    await bench.cluster.delete(it, bench.cluster.objects[it]["metadata"]["uid"])
    again = restarted(bench, Bench(tmp_path), trio)
    await again.look(times=2)
    assert it in again.cluster.objects
    assert _healed(again) == []


async def test_pods_that_an_earlier_stack_has_left_say_nothing_of_this_ones_secrets(bench: Bench) -> None:
    bench.pod("db", "StatefulSet", "shop-db-0")
    mounting(bench, "shop-database", "shop-db-tls")
    bench.stack({})
    await bench.look(times=3)
    assert Ref("Secret", "shop", "shop-database") in bench.cluster.objects
    assert _healed(bench) == []


async def test_a_stack_made_again_between_two_looks_heals_nothing(bench: Bench) -> None:
    bench.stack({})
    await bench.look(times=3)
    for ref, document in list(bench.cluster.objects.items()):
        if ref.kind != "Event":
            await bench.cluster.delete(ref, document["metadata"]["uid"])
    bench.stack({})
    await bench.look(times=3)
    assert {"Secret", "Service"} <= bench.kinds()
    assert _healed(bench) == []


async def test_a_renewal_by_date_heals_nothing(bench: Bench) -> None:
    bench.stack({})
    await bench.look(times=3)
    bench.now += DUE
    await bench.look(times=2)
    assert _healed(bench) == []


def mounting(bench: Bench, *secrets: str, phase: str = "Running") -> None:
    """Have a member's pod mount these Secrets, or wait for them."""
    pod = bench.cluster.objects[Ref("Pod", "shop", "shop-db-0-0")]
    volumes = [{"name": name, "secret": {"secretName": name}} for name in secrets]
    bench.cluster.put({**pod, "spec": {"volumes": volumes}, "status": {**pod["status"], "phase": phase}})


def _healed(bench: Bench) -> list[str]:
    events = (document for ref, document in bench.cluster.objects.items() if ref.kind == "Event")
    return [event["message"] for event in events if event["reason"] == "Healed"]
