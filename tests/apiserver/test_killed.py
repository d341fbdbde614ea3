"""The operator dies after each of its first writes of a creation; the next one ends with the same objects."""

from typing import Any

import pytest

from .stage import Stage, normalised

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(120)]

_undisturbed: dict[str, Any] = {}


async def _end(stage: Stage) -> dict[str, Any]:
    await stage.ready(seconds=60)
    return normalised(await stage.children())


@pytest.mark.parametrize("writes", range(1, 21))
async def test_killed_after_its_kth_write_the_end_is_the_same(stage: Stage, writes: int) -> None:
    if not _undisturbed:
        stage.operator()
        await stage.create("shop")
        _undisturbed.update(await _end(stage))
        await stage.remove("HighConcurrencyStack", "shop")
        stage.end()
        for name in list(_undisturbed):
            kind, _, child = name.partition("/")

            async def gone(kind: str = kind, child: str = child) -> bool:
                return await stage.get(kind, child) is None

            await stage.until(gone, 60, f"{name} is collected")
        stage.world.path.write_text("{}")
    first = stage.operator(kill_after=writes)
    await stage.create("shop")

    async def killed() -> bool:
        return first.poll() is not None

    await stage.until(killed, 40, f"the operator is killed after write {writes}")
    assert first.returncode == -9
    stage.operator()
    assert await _end(stage) == _undisturbed
