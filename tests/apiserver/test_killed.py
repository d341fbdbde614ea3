"""The operator dies after each of its first writes of a creation; the next one ends with the same objects."""

from typing import Any

import pytest

from .stage import Stage, normalised

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(120)]

_undisturbed: dict[str, Any] = {}


async def _end(stage: Stage) -> dict[str, Any]:
    await stage.ready(seconds=60)
    return normalised(await stage.children(), stage.namespace)


@pytest.mark.parametrize("writes", range(21))
async def test_killed_after_its_kth_write_the_end_is_the_same(stage: Stage, writes: int) -> None:
    """Write 0 is the run that nobody disturbs and the others are compared with."""
    first = stage.operator(kill_after=writes)
    await stage.create("shop")
    if writes == 0:
        _undisturbed.update(await _end(stage))
        return

    async def killed() -> bool:
        return first.poll() is not None

    await stage.until(killed, 40, f"the operator is killed after write {writes}")
    assert first.returncode == -9
    stage.operator()
    found = await _end(stage)
    assert found.keys() == _undisturbed.keys(), "compared with the undisturbed run, which is write 0 of this very test"
    for name, document in _undisturbed.items():
        assert found[name] == document
