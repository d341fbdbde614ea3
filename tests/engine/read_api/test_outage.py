"""Without a primary, reads go on up to `maxStalenessDuringOutage`, say so, and stop there until one is back."""

from __future__ import annotations

from typing import Any

import pytest
from tests.engine.mysql_servers import GROUP_NAME, bootstrap
from tests.engine.read_api.conftest import World, eventually
from tests.unit.read_api.servers import Got

from hcs_services.tokens import ConsistencyToken

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

BOUND = 25
"""Seconds; so far above the 5 s after which an outage is told that a slow machine sees both."""


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The read API as the operator starts it for that `maxStalenessDuringOutage`."""
    monkeypatch.setenv("MAX_STALENESS_DURING_OUTAGE_SECONDS", str(BOUND))


@pytest.mark.usefixtures("bounded")
async def test_a_primary_that_stops_is_outlived_by_its_replica_up_to_the_bound(world: World) -> None:
    order_id, document, _ = world.order("ada")
    path, now = f"/orders/{order_id}", world.token({})
    await eventually("the order is in the cache", lambda: held(world, path))
    await eventually("the replica has the token's transactions", lambda: by_replica(world, path, now))
    world.group.primary.container.kill()
    try:
        await eventually("the answer says that there is no primary", lambda: frozen(world, path, now), BOUND)
        await goes_on(world, path, now, document)
        await eventually("the replica is refused", lambda: refused(world, path, now), 60)
        await only_the_cache_answers(world, path)
    finally:
        revive(world)
    await eventually("the replica serves, and nothing is frozen", lambda: by_replica(world, path, now), 60)
    assert (await world.tier.admin.selftest()).reason == "ReadsWork"


async def goes_on(world: World, path: str, now: str, document: dict[str, Any]) -> None:
    """What holds while the replica serves: the row, the words of the self-test, and a token that it cannot meet."""
    assert (await read(world, path, now)).json() == document
    result = await world.tier.admin.selftest()
    assert (result.ok, result.reason) == (True, "StaleReads")
    assert result.data["frozen_until"] - result.data["frozen_since"] == pytest.approx(BOUND)
    ahead = ConsistencyToken(0, f"{GROUP_NAME}:1-99999999", {}).encode(world.settings.signing_key("consistency"))
    assert (await read(world, path, ahead)).status == 503


async def only_the_cache_answers(world: World, path: str) -> None:
    """What holds beyond the bound."""
    result = await world.tier.admin.selftest()
    assert (result.ok, result.reason) == (False, "ReadersTooOld")
    cached = await world.get(path)
    assert (cached.status, cached.headers["x-data-source"] in {"l1", "cache"}) == (200, True)
    assert int(cached.headers["x-data-frozen"]) >= BOUND


async def held(world: World, path: str) -> bool:
    """Whether Redis has it: a fill is left out if it cannot be proven to be the newest, as may be the first one."""
    got = await world.get(path)
    return got.status == 200 and got.headers["x-data-source"] == "cache"


async def read(world: World, path: str, token: str) -> Got:
    """A read that no cache may answer, since its token names no entity."""
    return await world.get(path, x_consistency_token=token)


async def by_replica(world: World, path: str, token: str) -> bool:
    got = await read(world, path, token)
    return got.status == 200 and got.headers["x-data-source"] == "replica" and "x-data-frozen" not in got.headers


async def frozen(world: World, path: str, token: str) -> bool:
    got = await read(world, path, token)
    assert (got.status, got.headers["x-data-source"]) == (200, "replica"), got.body
    return int(got.headers.get("x-data-frozen", "0")) > 0


async def refused(world: World, path: str, token: str) -> bool:
    got = await read(world, path, token)
    if got.status == 200:
        return False
    assert (got.status, got.json()["type"]) == (503, "/problems/database-unavailable")
    assert got.headers["content-type"] == "application/problem+json"
    return True


def revive(world: World) -> None:
    """Start the primary again, found its group, and have the replica follow: its receiver gives up after a while."""
    server = world.group.primary
    server.container.start()
    server.until_answers()
    bootstrap(server, (world.group.credentials / "database" / "repl-password").read_text())
    world.reader.run("STOP REPLICA", "START REPLICA")
