"""Shedding in front of the database."""

from __future__ import annotations

import asyncio

import pytest

from hcs_services.problem import Problem
from hcs_services.read_api.admission import Admission

pytestmark = pytest.mark.unit


async def hold(admission: Admission, release: asyncio.Event) -> None:
    async with admission.slot():
        await release.wait()


async def test_beyond_permits_and_queue_a_read_is_shed_at_once() -> None:
    admission, release = Admission("replica", 1, patience=60), asyncio.Event()
    held = [asyncio.create_task(hold(admission, release)) for _ in range(1 + 4)]
    await asyncio.sleep(0)
    with pytest.raises(Problem) as caught:
        await hold(admission, release)
    assert (caught.value.status, caught.value.slug, caught.value.retry_after) == (503, "overloaded", 1)
    release.set()
    await asyncio.gather(*held)


async def test_who_waits_too_long_is_shed() -> None:
    admission, release = Admission("replica", 1, patience=0.01), asyncio.Event()
    holder = asyncio.create_task(hold(admission, release))
    await asyncio.sleep(0)
    with pytest.raises(Problem):
        await hold(admission, release)
    release.set()
    await holder


async def test_a_permit_comes_back_after_an_error() -> None:
    admission = Admission("replica", 1, patience=0.01)
    for _ in range(3):
        with pytest.raises(ValueError, match="in the middle"):
            async with admission.slot():
                raise ValueError("in the middle")
