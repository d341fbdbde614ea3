"""The read API in this process over a real group, a real reader and a Redis that tests may freeze.

`world` writes as the write API does: rows and list generation in one transaction, then the cache, then a token.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.engine.brokers import RedisServer, start_redis
from tests.engine.conftest import EngineImages
from tests.engine.containers import Engines
from tests.engine.mysql_servers import Mysqld, MysqlGroup
from tests.unit.read_api.servers import Got, ask

from hcs_services import read_api
from hcs_services.cache import EntityCache, list_key, order_key, product_key
from hcs_services.identifiers import new_order_id, parse_order_id, public_order_id, slot_of
from hcs_services.models import order_document, product_document
from hcs_services.server import Background, Tier
from hcs_services.settings import Settings
from hcs_services.tokens import ConsistencyToken, normalise_gtid

_ORDER = (
    "INSERT INTO orders (order_id, user_id, product_id, quantity, total_amount, status, created_at, updated_at, slot, ver)"
    " VALUES (%s, %s, 'book-1', 1, 19.90, %s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), %s, %s)"
    " ON DUPLICATE KEY UPDATE status = VALUES(status), ver = GREATEST(ver + 1, VALUES(ver))"
)
_LIST = (
    "INSERT INTO user_lists (user_id, slot, ver) VALUES (%s, %s, %s)"
    " ON DUPLICATE KEY UPDATE ver = GREATEST(ver + 1, VALUES(ver))"
)
_PRODUCT = (
    "INSERT INTO products (product_id, name, price, stock, slot, ver) VALUES (%s, 'A book', 19.90, %s, 0, %s)"
    " ON DUPLICATE KEY UPDATE stock = VALUES(stock), ver = GREATEST(ver + 1, VALUES(ver))"
)
BEAT = (
    "INSERT INTO heartbeat (id, beat_at) VALUES (1, UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE beat_at = VALUES(beat_at)"
)


def micros() -> int:
    return time.time_ns() // 1000


@dataclass(kw_only=True)
class Api:
    """A read API, and the means to write where it reads: a connection to the primary as the write API's account."""

    settings: Settings
    tier: Tier
    cache: EntityCache
    connection: Any
    run: str = field(default_factory=lambda: secrets.token_hex(4))

    async def get(self, path: str, **options: Any) -> Got:
        """GET below /api/v1."""
        return await ask(self.tier.app, f"/api/v1{path}", **options)

    def product(self, name: str, stock: int) -> tuple[str, dict[str, Any], str]:
        """Commits a product; returns its id, its document and a token that names it."""
        product_id = f"{self.run}-{name}"
        self._transact((_PRODUCT, (product_id, stock, micros())))
        (row,) = self._ask("SELECT * FROM products WHERE product_id = %s", product_id)
        return product_id, product_document(row), self.token({product_key(product_id): row["ver"]})

    def order(self, user: str, order_id: str | None = None, status: str = "PENDING") -> tuple[str, dict[str, Any], str]:
        """Commits an order of `user`, new or changed; returns its id, its document and a token that names it and the list."""
        user_id = f"{self.run}-{user}"
        number = parse_order_id(order_id) if order_id else new_order_id(user_id, datetime.now(UTC))
        slot = slot_of(user_id)
        self._transact((_ORDER, (number, user_id, status, slot, micros())), (_LIST, (user_id, slot, micros())))
        (row,) = self._ask("SELECT * FROM orders WHERE order_id = %s", number)
        (generation,) = self._ask("SELECT ver FROM user_lists WHERE user_id = %s", user_id)
        key = order_key(public_order_id(row["order_id"]))
        return key[2:], order_document(row), self.token({key: row["ver"], list_key(user_id): generation["ver"]})

    def token(self, entities: dict[str, int]) -> str:
        """A token of this moment."""
        gtid = normalise_gtid(str(self._ask("SELECT @@GLOBAL.gtid_executed AS gtid")[0]["gtid"]))
        return ConsistencyToken(0, gtid, entities).encode(self.settings.signing_key("consistency"))

    def _transact(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("BEGIN")
            for statement in statements:
                cursor.execute(*statement)
            cursor.execute("COMMIT")

    def _ask(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, arguments)
            return list(cursor.fetchall())


@dataclass(kw_only=True)
class World(Api):
    """A read API and the engines under it."""

    group: MysqlGroup
    reader: Mysqld
    redis: RedisServer


async def eventually(what: str, holds: Callable[[], Any], seconds: float = 20) -> None:
    """Waits for a condition (a function that answers at once or a coroutine function)."""
    until = time.monotonic() + seconds
    while True:
        found = holds()
        if await found if asyncio.iscoroutine(found) else found:
            return
        assert time.monotonic() < until, f"not in time: {what}"
        await asyncio.sleep(0.05)


@contextmanager
def lagging(world: World) -> Iterator[None]:
    """The reader receives, but applies nothing."""
    world.reader.run("STOP REPLICA SQL_THREAD")
    try:
        yield
    finally:
        world.reader.run("START REPLICA SQL_THREAD")


@pytest.fixture(scope="session")
def read_redis(engines: Engines, engine_images: EngineImages, credentials: Path) -> RedisServer:
    """These tests' own Redis: they freeze it."""
    return start_redis(
        engines, engine_images.redis, (credentials / "cache" / "password").read_text(), name="cache-read"
    )


async def beating(beat: Callable[[], object]) -> None:
    """Write heartbeats for ever."""
    while True:
        await asyncio.to_thread(beat)  # a frozen primary does not answer
        await asyncio.sleep(0.2)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[Tier, EntityCache]]:
    """A read API that has found its servers, and a cache as writers have it."""
    background, tier, cache = Background(), read_api.build(settings), EntityCache.open(settings)

    async def works() -> bool:
        return (await tier.admin.selftest()).reason == "ReadsWork"

    try:
        await tier.start(background)
        await eventually("a replica serves", works)
        yield tier, cache
    finally:
        await background.stop()
        await tier.stop()
        await cache.close()


@pytest.fixture
def as_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The read API waits for its cache as long as in a pod: for tests of what a silent Redis costs."""
    monkeypatch.setenv("CACHE_TIMEOUT_MS", "250")


@pytest.fixture
async def world(
    mysql_group: MysqlGroup,
    mysql_reader: Mysqld,
    read_redis: RedisServer,
    tier_environment: Callable[[str], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    """A read API that has found its servers, with heartbeats.

    It waits long for its cache: a full machine keeps a healthy Redis silent for longer than a pod waits.
    """
    if "CACHE_TIMEOUT_MS" not in os.environ:
        monkeypatch.setenv("CACHE_TIMEOUT_MS", "10000")
    for name, value in (tier_environment("read-api") | {"CACHE_URL": read_redis.url}).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    with ExitStack() as stack:
        connections = [stack.enter_context(mysql_group.connection("app")) for _ in range(2)]
        beats = asyncio.create_task(beating(lambda: connections[0].query(BEAT)))
        async with running(settings) as (tier, cache):
            yield World(
                settings=settings,
                tier=tier,
                cache=cache,
                connection=connections[1],
                group=mysql_group,
                reader=mysql_reader,
                redis=read_redis,
            )
            beats.cancel()


async def seen(world: World, path: str, **options: Any) -> tuple[str, int]:
    got = await world.get(path, **options)
    assert got.status == 200, got.body
    return got.headers["x-data-source"], got.json()["version"]


async def replicated(world: World, path: str) -> bool:
    return (await world.get(path)).status == 200
