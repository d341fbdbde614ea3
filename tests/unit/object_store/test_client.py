"""The object store's client against a server played by the test, which checks each signature."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hcs_services.object_store import Credentials, ObjectStore, StoreRefused, StoreUnavailable
from hcs_services.object_store.sigv4 import Request, sign

pytestmark = pytest.mark.unit

KEYS = Credentials("sample", "sample-secret")
KEY = "orders/2026-11-23T00:00:00Z/T 1.ndjson"


class PlayedStore:
    """One bucket; `broken` answers 500 to everything."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.broken = False

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.broken:
            return web.Response(status=500)
        sent = {name: request.headers[name] for name in ("content-type", "if-none-match") if name in request.headers}
        moment = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        wanted = sign(Request(request.method, request.host, request.path, sent, body=body), KEYS, "us-east-1", moment)
        if request.headers["authorization"] != wanted["authorization"]:
            return web.Response(status=403, text="<Error><Code>SignatureDoesNotMatch</Code></Error>")
        if request.method == "GET":
            found = self.objects.get(request.path)
            return web.Response(status=404) if found is None else web.Response(body=found)
        if request.path in self.objects and request.headers.get("if-none-match") == "*":
            return web.Response(status=412)
        self.objects[request.path] = body
        return web.Response()


@pytest.fixture
async def played() -> PlayedStore:
    return PlayedStore()


@pytest.fixture
async def url(played: PlayedStore) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{key:.*}", played.handle)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.fixture
async def store(url: str) -> AsyncIterator[ObjectStore]:
    store = ObjectStore(url, "shop", lambda: KEYS)
    yield store
    await store.close()


async def test_an_object_is_put_under_its_bucket_and_read_back(store: ObjectStore, played: PlayedStore) -> None:
    assert await store.put_if_absent(KEY, b"line\n", "application/x-ndjson")
    assert played.objects == {f"/shop/{KEY}": b"line\n"}
    assert await store.get(KEY) == b"line\n"


async def test_a_key_that_is_taken_keeps_its_object(store: ObjectStore) -> None:
    await store.put_if_absent(KEY, b"first", "text/csv")
    assert not await store.put_if_absent(KEY, b"second", "text/csv")
    assert await store.get(KEY) == b"first"


async def test_an_object_that_is_not_there_is_none(store: ObjectStore) -> None:
    assert await store.get("nothing") is None


async def test_wrong_credentials_are_refused_for_good(url: str) -> None:
    store = ObjectStore(url, "shop", lambda: Credentials("sample", "wrong"))
    with pytest.raises(StoreRefused, match="403 SignatureDoesNotMatch"):
        await store.put_if_absent(KEY, b"", "text/csv")
    await store.close()


async def test_a_store_in_trouble_is_worth_another_try(store: ObjectStore, played: PlayedStore) -> None:
    played.broken = True
    with pytest.raises(StoreUnavailable, match="500"):
        await store.get(KEY)


async def test_a_store_that_cannot_be_reached_is_worth_another_try() -> None:
    store = ObjectStore("http://127.0.0.1:9", "shop", lambda: KEYS)
    with pytest.raises(StoreUnavailable):
        await store.get(KEY)
    await store.close()
