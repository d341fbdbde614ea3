"""Who is asked what."""

from pathlib import Path
from typing import Any

import pytest
from tests.apiserver.played_engines import PlayedQueue, PlayedServices, World
from tests.unit.status.seen import pod

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
