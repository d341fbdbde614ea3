"""Orders at the write API, beside FastAPI with one transaction a request: over asyncmy, and over PyMySQL."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from benchmarks.services import bare, wrk
from benchmarks.services.engines import Beside
from benchmarks.services.measurement import PRODUCT
from benchmarks.services.rounds import Comparison, Contender
from benchmarks.services.stage import Stage
from tests.engine.containers import until

PRODUCTS, USERS, REQUESTS = 1000, 10_000, 20_000
_STOCK = 1_000_000_000
_PATH = "/api/v1/orders"
_SETTLE_SECONDS = 120


def comparisons(stage: Stage, beside: Beside) -> Iterator[Comparison]:
    """A row for orders of many products, one for orders of one, one for these without HTTP."""
    beside.add_products([(f"sold-{number}", "A book", "19.90", _STOCK, 0, 1) for number in range(PRODUCTS)])
    plain = {
        "DATABASE_HOST": beside.mysql.members_host,
        "DATABASE_PASSWORD": beside.mysql.password("app"),
        "DATABASE_CA": str(beside.credentials / "database" / "ca.crt"),
    }
    product = stage.product("write-api", beside.environment)
    asyncmy = stage.plain("plain_orders_async", plain)
    pymysql = stage.plain("plain_orders", plain)
    for name, products, title, target in (
        ("orders-many", PRODUCTS, f"create order, {PRODUCTS:,} products", 2),
        ("orders-hot", 1, "create order, one hot product", 12),
    ):
        requests = _requests(stage.folder / name, products)
        contenders = [
            Contender(PRODUCT, product.loaded("/", requests), None, lambda: _settled(beside), product.steady(requests)),
            Contender("FastAPI and asyncmy", asyncmy.loaded("/", requests), target),
            Contender("FastAPI and PyMySQL", pymysql.loaded("/", requests)),
        ]
        yield Comparison(name, title, contenders)
    yield _core(beside, plain)


def _core(beside: Beside, plain: dict[str, str]) -> Comparison:
    """One product's orders without HTTP; the write API of the rows before relays what they promise."""
    arguments = wrk.CONNECTIONS, "sold-0"
    desk = bare.driven("desk_orders", beside.environment, *arguments)
    contenders = [
        Contender(PRODUCT, desk, settle=lambda: _settled(beside)),
        Contender("bare asyncmy transactions", bare.driven("bare_orders", plain, *arguments), 25),
    ]
    return Comparison("orders-core", "place order without HTTP, one hot product", contenders)


def _requests(file: Path, products: int) -> Path:
    def body() -> bytes:
        user, product = random.randrange(USERS), random.randrange(products)
        return json.dumps({"user_id": f"user-{user}", "product_id": f"sold-{product}", "quantity": 1}).encode()

    return wrk.write(file, (wrk.post(_PATH, body()) for _ in range(REQUESTS)))


def _settled(beside: Beside) -> None:
    """Once the relay has nothing left to do: it runs on the core of whoever comes next."""
    query = "SELECT COUNT(*) AS promises FROM hcs.outbox"
    primary = beside.mysql.primary
    until("the outbox is empty", lambda: not primary.ask(query)[0]["promises"], _SETTLE_SECONDS)
