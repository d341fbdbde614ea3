"""At most so many at once, in order of arrival; what was not started can be given back."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from hcs_services.queue import Delivery
from hcs_services.worker.intake import Intake

pytestmark = pytest.mark.unit


class Held:
    """A delivery that runs until it is released."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.release = asyncio.Event()
        self.requeued = False

    def requeue(self) -> bool:
        self.requeued = True
        return True


class Runs:
    def __init__(self) -> None:
        self.started: list[str] = []

    async def run(self, delivery: Delivery) -> None:
        held = cast("Any", delivery)
        self.started.append(held.name)
        await held.release.wait()


def held(*names: str) -> list[Any]:
    return [Held(name) for name in names]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_than_the_concurrency_run_and_the_next_starts_when_one_ends() -> None:
    runs, deliveries = Runs(), held("a", "b", "c")
    intake = Intake(runs.run, 2)
    for delivery in deliveries:
        intake.take(delivery)
    await settle()
    assert runs.started == ["a", "b"]
    assert intake.in_flight == 3
    deliveries[0].release.set()
    await settle()
    assert runs.started == ["a", "b", "c"]


async def test_what_waits_is_given_back_and_what_runs_is_finished() -> None:
    runs, deliveries = Runs(), held("a", "b")
    intake = Intake(runs.run, 1)
    for delivery in deliveries:
        intake.take(delivery)
    await settle()
    assert intake.give_back() == 1
    assert deliveries[1].requeued
    assert not deliveries[0].requeued
    assert not await intake.idle(0.01)
    deliveries[0].release.set()
    assert await intake.idle(5)
    assert runs.started == ["a"]


async def test_the_oldest_tells_for_how_long_it_has_been_here() -> None:
    now = [100.0]
    intake = Intake(Runs().run, 1, clock=lambda: now[0])
    assert intake.oldest_seconds == 0.0
    intake.take(held("a")[0])
    now[0] = 107.5
    assert intake.oldest_seconds == 7.5


async def test_a_bug_in_a_run_ends_the_supervision() -> None:
    async def broken(_delivery: Delivery) -> None:
        raise KeyError("bug")

    intake = Intake(broken, 1)
    supervision = asyncio.create_task(intake.supervise())
    intake.take(held("a")[0])
    with pytest.raises(KeyError, match="bug"):
        async with asyncio.timeout(5):
            await supervision
