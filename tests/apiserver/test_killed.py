"""The operator dies after each of its first writes of a creation; the next one ends with the same objects."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hcs_operator.kube.aio import Client

from .conftest import new_namespace
from .control_plane import ControlPlane
from .kubelet import Kubelet
from .stage import STEADY, Stage, normalised

pytestmark = pytest.mark.apiserver

BESIDE = 5
"""Stacks at a time: each waits more than it computes."""
_undisturbed: dict[str, Any] = {}


async def _made(plane: ControlPlane, kube: Client, folder: Path, kill_after: int = 0) -> dict[str, Any]:
    """The objects of a stack in the end; with `kill_after` its operator dies after so many writes, and another follows."""
    stage = Stage(plane, kube, await new_namespace(kube), folder)
    try:
        async with Kubelet(kube, stage.namespace):
            first = stage.operator(kill_after=kill_after)
            await stage.create("shop", autoscaling=STEADY)
            if kill_after:
                await stage.ended(first, -9)
                stage.operator()
            await stage.ready(seconds=120)
            return normalised(await stage.children(), stage.namespace)
    finally:
        stage.end()


@pytest.fixture
async def undisturbed(
    control_plane: ControlPlane, kube: Client, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The objects of a run that nobody disturbs: made once, the others are compared with them."""
    if not _undisturbed:
        _undisturbed.update(await _made(control_plane, kube, tmp_path_factory.mktemp("undisturbed")))
    return _undisturbed


@pytest.mark.parametrize("first", range(1, 21, BESIDE))
async def test_killed_after_its_kth_write_the_end_is_the_same(
    undisturbed: dict[str, Any],
    control_plane: ControlPlane,
    kube: Client,
    tmp_path_factory: pytest.TempPathFactory,
    first: int,
) -> None:
    async def compared(writes: int) -> None:
        found = await _made(control_plane, kube, tmp_path_factory.mktemp("killed"), writes)
        assert found.keys() == undisturbed.keys(), f"killed after write {writes}"
        for name, document in undisturbed.items():
            assert found[name] == document, f"killed after write {writes}"

    async with asyncio.TaskGroup() as beside:
        for writes in range(first, first + BESIDE):
            beside.create_task(compared(writes))
