"""Many loads in one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hcs_services.read_api.together import ABREAST, SIZE, Together

pytestmark = [pytest.mark.unit, pytest.mark.timeout(10)]


class Loads:
    """Notes each group; each goes on once `go` is set. An outcome says what was loaded, and in which group."""

    def __init__(self) -> None:
        self.groups: list[tuple[str, list[int]]] = []
        self.departed: asyncio.Queue[None] = asyncio.Queue()
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, kind: str, items: list[int], tell: Callable[[int, str], None]) -> None:
        self.groups.append((kind, items))
        number = len(self.groups)
        self.departed.put_nowait(None)
        await self.go.wait()
        if self.error is not None:
            raise self.error
        for item in items:
            tell(item, f"{kind}{item} of {number}")


def party() -> tuple[Together[str, int, str], Loads]:
    loads = Loads()
    return Together(loads, seconds=3.0), loads


def asking(together: Together[str, int, str], kind: str, *items: int) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(together.ask(kind, item)) for item in items]


async def test_those_who_ask_at_the_same_time_go_together() -> None:
    together, loads = party()
    loads.go.set()
    assert await asyncio.gather(*asking(together, "a", 1, 2, 3)) == ["a1 of 1", "a2 of 1", "a3 of 1"]


async def test_who_asks_for_what_is_under_way_shares_its_outcome() -> None:
    together, loads = party()
    first = asking(together, "a", 1)
    await loads.departed.get()
    second = asking(together, "a", 1)
    await asyncio.sleep(0)
    loads.go.set()
    assert await asyncio.gather(*first, *second) == ["a1 of 1"] * 2


async def test_who_asks_later_gets_a_load_of_its_own() -> None:
    together, loads = party()
    loads.go.set()
    assert (await together.ask("a", 1), await together.ask("a", 1)) == ("a1 of 1", "a1 of 2")


async def test_each_kind_goes_on_its_own() -> None:
    together, loads = party()
    loads.go.set()
    assert await asyncio.gather(*asking(together, "a", 1), *asking(together, "b", 1)) == ["a1 of 1", "b1 of 2"]


async def test_no_group_is_larger_than_its_bound() -> None:
    together, loads = party()
    loads.go.set()
    await asyncio.gather(*asking(together, "a", *range(SIZE + 1)))
    assert [len(items) for _, items in loads.groups] == [SIZE, 1]


async def test_while_enough_are_under_way_others_wait_and_leave_together_when_one_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hcs_services.read_api.together.PATIENCE", 60)
    together, loads = party()
    under_way = []
    for number in range(ABREAST):
        under_way += asking(together, "a", number)
        await loads.departed.get()
    later = asking(together, "a", 7) + asking(together, "a", 8)
    for _ in range(5):  # turns of the loop
        await asyncio.sleep(0)
    assert len(loads.groups) == ABREAST
    loads.go.set()
    await asyncio.gather(*under_way, *later)
    assert loads.groups[ABREAST:] == [("a", [7, 8])]


async def test_who_has_waited_long_enough_leaves_though_nobody_is_back() -> None:
    together, loads = party()
    for number in range(ABREAST + 1):
        asking(together, "a", number)
        await loads.departed.get()
    assert loads.groups[ABREAST] == ("a", [ABREAST])
    await together.close()


async def test_a_caller_who_gives_up_takes_nobody_down() -> None:
    together, loads = party()
    first, second, other = asking(together, "a", 1, 1, 2)
    await loads.departed.get()
    first.cancel()
    await asyncio.sleep(0)
    loads.go.set()
    assert [await second, await other] == ["a1 of 1", "a2 of 1"]


async def test_a_failure_is_everybodys_and_the_next_one_begins_anew() -> None:
    together, loads = party()
    loads.go.set()
    loads.error = ValueError("no")
    failed: list[object] = await asyncio.gather(*asking(together, "a", 1, 1, 2), return_exceptions=True)
    assert failed == [loads.error] * 3
    loads.error = None
    assert await together.ask("a", 1) == "a1 of 2"


async def test_nobody_waits_any_longer_once_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hcs_services.read_api.together.PATIENCE", 60)
    together, loads = party()
    tasks = []
    for number in range(ABREAST):
        tasks += asking(together, "a", number)
        await loads.departed.get()
    tasks += asking(together, "a", 7)  # has not left yet
    await asyncio.sleep(0)
    await together.close()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
