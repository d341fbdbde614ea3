"""A stack at rest costs the API server one renewed Lease each five seconds and nothing else."""

import asyncio

import pytest

from .stage import Stage

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]

REST = 60
"""Seconds watched."""


async def test_at_rest_the_only_write_is_the_lease(stage: Stage) -> None:
    stage.operator()
    await stage.create(autoscaling={"workers": {"minReplicas": 1}})
    await stage.ready()
    await asyncio.sleep(12)  # the last figures and the readers' first looks are written once more
    before, told = len(stage.writes()), (await stage.stack())["status"]
    await asyncio.sleep(REST)
    written, tells = stage.writes()[before:], (await stage.stack())["status"]
    changed = {name: (told.get(name), tells.get(name)) for name in told | tells if told.get(name) != tells.get(name)}
    assert [write for write in written if "/leases/" not in write] == [], changed
    assert written, "the audit log shows nothing at all: it proves nothing"
    assert len(written) <= REST / 5 + 1
