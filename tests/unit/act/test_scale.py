"""Scale-in takes idle workers only: marked, drained, asked again, and then taken off the count."""

import asyncio
from dataclasses import dataclass, field

import pytest

from hcs_operator.act.scale import CHEAP, DELETION_COST, workers_in
from hcs_operator.api.observed import CacheCounters, Inflight, PodView, Selftest, Snapshot
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref

pytestmark = pytest.mark.unit
WORKER = Ref("Deployment", "shop", "shop-worker")


@dataclass
class Workers:
    """Plays the workers' admin ports; `late` get a task between the two questions, `mute` do not say what they do."""

    busy: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    unready: set[str] = field(default_factory=set)
    mute: set[str] = field(default_factory=set)
    answered: list[str] = field(default_factory=list)
    together: int = 0
    drained: list[str] = field(default_factory=list)

    async def selftest(self, pod: str, ip: str) -> Selftest:
        raise NotImplementedError

    async def cache_counters(self, pod: str, ip: str) -> CacheCounters | None:
        raise NotImplementedError

    async def drain(self, ip: str, token: str, ttl_seconds: int) -> bool:
        assert token == "t0ken"
        self.drained.append(ip)
        await asyncio.sleep(0)
        self.together = max(self.together, len(self.drained) - len(self.answered))
        self.answered.append(ip)
        return ip not in self.silent

    async def inflight(self, pod: str, ip: str) -> Inflight | None:
        return Inflight(pod, int(pod in self.busy or pod in self.late), 0.0, draining=True)


async def scale_in(
    workers: Workers, current: int, desired: int, *, marked: frozenset[str] = frozenset()
) -> tuple[int, Cluster]:
    cluster, pods = Cluster(), []
    cluster.put(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": WORKER.name, "namespace": "shop"},
            "spec": {"replicas": current},
        }
    )
    for number in range(current):
        name = f"w{number}"
        annotations = {DELETION_COST: CHEAP} if name in marked else {}
        made = await cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
            },
            manager="hcs-autoscaler",
        )
        pods.append(
            PodView(
                name,
                made["metadata"]["uid"],
                "worker",
                name,
                "n",
                name not in workers.unready,
                False,
                float(number),
                0.0,
                "i",
                {},
                annotations,
                None,
            )
        )
    cluster.writes.clear()
    asked = [pod.name for pod in pods if pod.name not in workers.mute]
    inflight = {name: Inflight(name, int(name in workers.busy), 0.0, draining=False) for name in asked}
    snapshot = Snapshot(
        "shop", "shop", 0.0, {}, pods=tuple(pods), inflight=inflight, secrets={"shop-tokens": {"drain": "t0ken"}}
    )
    return await workers_in(cluster, workers, snapshot, WORKER, (current, desired)), cluster


def marks(cluster: Cluster) -> set[str]:
    return {
        ref.name
        for ref, document in cluster.objects.items()
        if ref.kind == "Pod" and (document["metadata"].get("annotations") or {}).get(DELETION_COST) == CHEAP
    }


async def test_idle_workers_go_the_youngest_first() -> None:
    count, cluster = await scale_in(Workers(), 3, 1)
    assert (count, marks(cluster)) == (1, {"w1", "w2"})


async def test_busy_workers_stay_even_when_fewer_are_wanted() -> None:
    count, cluster = await scale_in(Workers(busy={"w1", "w2"}), 3, 1)
    assert (count, marks(cluster)) == (2, {"w0"})


async def test_a_worker_that_got_a_task_in_between_stops_the_scale_in() -> None:
    count, cluster = await scale_in(Workers(late={"w2"}), 3, 2)
    assert (count, marks(cluster)) == (3, set())
    assert ("scale", WORKER) not in cluster.writes


async def test_a_worker_that_does_not_agree_to_drain_is_not_taken() -> None:
    count, _ = await scale_in(Workers(silent={"w2"}), 3, 2)
    assert count == 3


async def test_an_old_mark_on_a_pod_that_is_not_chosen_is_removed() -> None:
    _, cluster = await scale_in(Workers(busy={"w0"}), 3, 2, marked=frozenset({"w0"}))
    assert marks(cluster) == {"w2"}


async def test_a_mark_is_written_once() -> None:
    _, cluster = await scale_in(Workers(), 2, 1, marked=frozenset({"w1"}))
    assert [verb for verb, _ in cluster.writes] == ["scale"]


async def test_all_go_when_all_are_idle_and_none_is_wanted() -> None:
    count, _ = await scale_in(Workers(), 2, 0)
    assert count == 0


@pytest.mark.parametrize("workers", [Workers(unready={"w0"}, busy={"w0"}), Workers(unready={"w0"}, mute={"w0"})])
async def test_while_an_unready_worker_may_be_busy_none_goes_as_it_would_be_the_first(workers: Workers) -> None:
    count, cluster = await scale_in(workers, 3, 1)
    assert (count, cluster.writes) == (3, [])


async def test_an_unready_worker_that_says_it_does_nothing_goes_first() -> None:
    count, cluster = await scale_in(Workers(unready={"w0"}), 3, 2)
    assert (count, marks(cluster)) == (2, set())


async def test_all_chosen_are_asked_at_once_so_that_no_promise_lapses() -> None:
    workers = Workers()
    await scale_in(workers, 4, 1)
    assert workers.together == 3
