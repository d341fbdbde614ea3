"""A stack at rest costs the API server one renewed Lease each five seconds and nothing else."""

import time

import pytest

from hcs_operator.runtime.lease import RENEW

from .stage import STEADY, Stage

pytestmark = pytest.mark.apiserver

RENEWALS = 12
"""Watched, which are a minute."""


async def test_at_rest_the_only_write_is_the_lease(stage: Stage) -> None:
    stage.operator()
    await stage.create(autoscaling=STEADY)
    await stage.ready()

    async def quiet() -> bool:
        return all(map(_of_lease, stage.writes()[-4:]))

    await stage.until(quiet, 60, "the last figures and the readers' first looks are written once more")
    started = time.monotonic()
    before, told = len(stage.writes()), (await stage.stack())["status"]

    async def watched() -> bool:
        return sum(map(_of_lease, stage.writes()[before:])) >= RENEWALS

    await stage.until(watched, RENEWALS * RENEW, "the Lease is renewed")
    written, tells = stage.writes()[before:], (await stage.stack())["status"]
    changed = {name: (told.get(name), tells.get(name)) for name in told | tells if told.get(name) != tells.get(name)}
    assert [write for write in written if not _of_lease(write)] == [], changed
    assert len(written) <= (time.monotonic() - started) / RENEW + 1


def _of_lease(write: str) -> bool:
    return "/leases/" in write
