"""What the outside world gets to see: the mail in the sink, the charge and its refund, the synced orders in the store."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from tests.cluster.conftest import GATEWAY, SINK, STORE, STUB, Stack
from tests.contract.api import Api, unique
from tests.contract.world import World
from tests.slack import SLACK

from hcs_services.object_store.client import ObjectStore
from hcs_services.object_store.sigv4 import Credentials

pytestmark = pytest.mark.cluster

SECONDS = 60.0


@pytest.fixture
async def world(shop: Stack) -> AsyncIterator[World]:
    """Calls through the sample stack's gateway."""
    async with Api(GATEWAY) as api:
        yield World(api)


async def test_an_order_is_confirmed_by_mail(world: World) -> None:
    user = unique("ann")
    order = await world.order(user=user)

    async def mails() -> Any:
        return await _get(f"{SINK}/messages?to={user}@customers.example")

    (mail,) = await _eventually(mails)
    assert order.json["order_id"] in json.dumps(mail)


async def test_a_charged_order_that_is_cancelled_is_refunded(world: World) -> None:
    order = await world.order()
    await world.settled(await world.payment(order))
    paid = await world.api.call("GET", f"/orders/{order.json['order_id']}", Cache_Control="no-cache")
    assert paid.json["status"] == "PAID"
    await world.change(paid, "DELETE")

    async def refunded() -> Any:
        charges = [c for c in await _get(f"{STUB}/charges") if c["order_id"] == order.json["order_id"]]
        assert len(charges) == 1, charges
        return charges[0]["refunded"]

    assert await _eventually(refunded)


async def test_synced_orders_are_in_the_object_store(world: World, shop: Stack) -> None:
    order = await world.order()
    accepted = await world.api.call("POST", "/sync", {"since": order.json["created_at"]})
    assert (await world.settled(accepted)).json["status"] == "succeeded"
    manifest = (await world.api.call("GET", f"/tasks/{accepted.json['task_id']}/result")).json
    access, hidden = (shop.kubectl.secret("object-store", key) for key in ("access-key", "secret-key"))
    store = ObjectStore(STORE, "shop", lambda: Credentials(access, hidden))
    try:
        (entry,) = manifest["objects"]
        content = await store.get(entry["key"])
    finally:
        await store.close()
    assert content is not None, entry
    assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"])
    lines = [json.loads(line) for line in content.splitlines()]
    assert order.json in lines
    assert len(lines) == entry["orders"]


async def _get(url: str) -> Any:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return await answer.json()


async def _eventually(probe: Callable[[], Awaitable[Any]]) -> Any:
    """The probe's first truthy answer."""
    async with asyncio.timeout(SECONDS * SLACK):
        while True:
            if found := await probe():
                return found
            await asyncio.sleep(0.2)
