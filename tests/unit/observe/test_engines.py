"""Who is asked what."""

from pathlib import Path
from typing import Any

import pytest
from tests.apiserver.played_engines import PlayedQueue, PlayedServices, World
from tests.unit.status.seen import NOW, pod

from hcs_operator.api.observed import QueueFigures, Reason
from hcs_operator.observe.engines import Figures, ask

pytestmark = pytest.mark.unit


async def asked(folder: Path, component: str, **changes: Any) -> Figures:
    world = World(folder / "world.json")
    pods = [pod(component, **changes)]
    return await ask(pods, PlayedQueue(world), PlayedServices(world), queue_host="queue", queue_password=None)


async def test_a_worker_that_is_not_ready_is_asked_what_it_works_on(tmp_path: Path) -> None:
    assert set((await asked(tmp_path, "worker", ready=False)).inflight) == {"shop-worker-x"}


@pytest.mark.parametrize("changes", [{"deleting": True}, {"ip": ""}], ids=["leaving", "not running"])
async def test_a_worker_that_leaves_or_does_not_run_is_not_asked(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert (await asked(tmp_path, "worker", **changes)).inflight == {}


async def test_a_selftest_is_asked_of_ready_pods_only(tmp_path: Path) -> None:
    assert (await asked(tmp_path, "read-api", ready=False)).selftests["read-api"] == ()
    assert len((await asked(tmp_path, "read-api")).selftests["read-api"]) == 1


class Brokers:
    """Brokers that see so many of themselves; the others do not answer."""

    def __init__(self, **online: int) -> None:
        self.online = online
        self.asked: list[str] = []

    async def figures(self, host: str, password: str) -> QueueFigures | Reason:
        self.asked.append(host)
        online = self.online.get(host.partition(".")[0].rpartition("-")[2])
        if online is None:
            return Reason("QueueUnreachable", f"{host} does not answer")
        return QueueFigures(0, 0, 0, 0, NOW, 3, online)


async def of_brokers(folder: Path, brokers: Brokers) -> QueueFigures | Reason | None:
    pods = [pod("queue", name=f"shop-queue-{ordinal}", ready=ordinal != 0) for ordinal in range(3)]
    services = PlayedServices(World(folder / "world.json"))
    return (await ask(pods, brokers, services, queue_host="shop-queue.shop", queue_password="word")).queue


async def test_the_broker_that_sees_most_others_is_believed(tmp_path: Path) -> None:
    brokers = Brokers(**{"1": 1, "2": 2})
    found = await of_brokers(tmp_path, brokers)
    assert isinstance(found, QueueFigures)
    assert found.online == 2
    assert brokers.asked == ["shop-queue-1.shop-queue.shop", "shop-queue-2.shop-queue.shop"]


async def test_one_broker_that_answers_is_enough(tmp_path: Path) -> None:
    assert isinstance(await of_brokers(tmp_path, Brokers(**{"2": 2})), QueueFigures)


async def test_a_broker_says_why_there_are_no_figures(tmp_path: Path) -> None:
    answer = await of_brokers(tmp_path, Brokers())
    assert answer == Reason("QueueUnreachable", "shop-queue-1.shop-queue.shop does not answer")
