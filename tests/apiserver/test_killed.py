"""The operator dies after each of its first writes of a creation; the next one ends with the same objects."""

from typing import Any

import pytest

from hcs_operator.kube.aio import Client

from .conftest import new_namespace
from .control_plane import ControlPlane
from .kubelet import Kubelet
from .stage import Stage, normalised

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(120)]

_undisturbed: dict[str, Any] = {}


async def _end(stage: Stage) -> dict[str, Any]:
    await stage.ready(seconds=60)
    return normalised(await stage.children(), stage.namespace)


@pytest.fixture
async def undisturbed(
    control_plane: ControlPlane, kube: Client, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The objects of a run that nobody disturbs: made once, the others are compared with them."""
    if not _undisturbed:
        stage = Stage(control_plane, kube, await new_namespace(kube), tmp_path_factory.mktemp("undisturbed"))
        stage.operator()
        try:
            async with Kubelet(kube, stage.namespace):
                await stage.create("shop")
                _undisturbed.update(await _end(stage))
        finally:
            stage.end()
    return _undisturbed


@pytest.mark.parametrize("writes", range(1, 21))
async def test_killed_after_its_kth_write_the_end_is_the_same(
    undisturbed: dict[str, Any], stage: Stage, writes: int
) -> None:
    first = stage.operator(kill_after=writes)
    await stage.create("shop")

    async def killed() -> bool:
        return first.poll() is not None

    await stage.until(killed, 40, f"the operator is killed after write {writes}")
    assert first.returncode == -9
    stage.operator()
    found = await _end(stage)
    assert found.keys() == undisturbed.keys()
    for name, document in undisturbed.items():
        assert found[name] == document
