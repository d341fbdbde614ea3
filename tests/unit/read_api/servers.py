"""A primary and its replicas in memory, as far as the read API talks to them, and the API over them without a socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.unit.cache.memory_cache import MemoryCache

from hcs_services.database.errors import DatabaseUnavailable, NoReader, ReadersTooOld
from hcs_services.database.staleness import Outage
from hcs_services.identifiers import public_order_id
from hcs_services.read_api import rows
from hcs_services.read_api.cached_reads import CachedReads
from hcs_services.read_api.heavy_hitters import HeavyHitters
from hcs_services.read_api.local_cache import LocalCache
from hcs_services.read_api.reads import Reads
from hcs_services.read_api.sources import Sources

Row = dict[str, Any]
AT = datetime(2026, 11, 23, 20, tzinfo=UTC).replace(tzinfo=None)  # as it comes from the database
ORDER = 123_456_789_000_000_000
ORDER_ID = public_order_id(ORDER)


def order_row(version: int, order_id: int = ORDER, user_id: str = "ada") -> Row:
    return {
        "order_id": order_id,
        "user_id": user_id,
        "product_id": "book-1",
        "quantity": 2,
        "total_amount": Decimal("39.80"),
        "status": "PENDING",
        "created_at": AT,
        "updated_at": AT,
        "ver": version,
    }


def product_row(version: int, product_id: str = "book-1") -> Row:
    return {"product_id": product_id, "name": "A book", "price": Decimal("19.90"), "stock": 5, "ver": version}


@dataclass
class Server:
    """One server's rows. `executed` are the GTIDs it has; `beat_at` is Unix seconds of its heartbeat."""

    orders: dict[int, Row] = field(default_factory=dict)
    products: dict[str, Row] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)
    executed: set[str] = field(default_factory=set)
    beat_at: float | None = 2_000_000.0
    down: bool = False
    statements: int = 0

    def _beat(self) -> Row:
        return {
            "beat_at": None if self.beat_at is None else datetime.fromtimestamp(self.beat_at, UTC).replace(tzinfo=None)
        }

    async def fetch_one(self, sql: str, arguments: Any = ()) -> Row | None:
        self.statements += 1
        if "GTID_SUBSET" in sql:
            return {"contained": int(arguments[0] in self.executed)}
        if "WAIT_FOR" in sql:
            return {"timed_out": int(arguments[0] not in self.executed)}
        return self._beat()

    async def fetch_all(self, sql: str, arguments: Any = ()) -> list[Row]:
        self.statements += 1
        if "user_lists" in sql:
            user, _, below, limit = arguments
            found = sorted((o for o in self.orders if o < below and self.orders[o]["user_id"] == user), reverse=True)
            head = self._beat() | {"generation": self.generations.get(user)}
            return [head | self.orders[order] for order in found[:limit]] or [head | dict.fromkeys(order_row(0))]
        rows: Mapping[Any, Row] = self.orders if "FROM orders" in sql or "JOIN orders" in sql else self.products
        if "beat_at" in sql:
            absent = dict.fromkeys(order_row(0) | product_row(0))
            return [self._beat() | rows[key] for key in arguments if key in rows] or [self._beat() | absent]
        return [{"id": key, "ver": rows[key]["ver"]} for key in arguments if key in rows]


class Cluster:
    """A primary and one replica; implements both pools."""

    def __init__(self) -> None:
        self.primary, self.replica = Server(), Server()
        self.frozen: Outage | None = None
        self.too_old = False

    def commit(self, *rows: Row, gtid: str | None = None, replicated: bool = True) -> None:
        for server in (self.primary, self.replica) if replicated else (self.primary,):
            for row in rows:
                if "order_id" in row:
                    server.orders[row["order_id"]] = row
                    server.generations[row["user_id"]] = row["ver"]
                else:
                    server.products[row["product_id"]] = row
            if gtid:
                server.executed.add(gtid)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Server]:
        if self.primary.down:
            raise DatabaseUnavailable("no primary could be reached")
        yield self.primary

    @asynccontextmanager
    async def reader(self, token_gtid: str | None = None) -> AsyncIterator[Server]:
        if self.too_old:
            raise ReadersTooOld("no primary has shown itself for too long")
        if self.replica.down or (token_gtid is not None and token_gtid not in self.replica.executed):
            raise NoReader("no replica")
        yield self.replica

    def eligible(self) -> list[Server]:
        return [] if self.replica.down or self.too_old else [self.replica]

    def outage(self) -> Outage | None:
        return self.frozen


class Levels:
    """The read API's parts, joined as in the tier, over the model of the cache."""

    def __init__(self) -> None:
        self.cluster, self.cache = Cluster(), MemoryCache()
        self.monotonic = 0.0
        self.local = LocalCache(100, 1.0, clock=lambda: self.monotonic)
        self.sources = Sources(self.cluster, self.cluster, replica_reads=4, primary_reads=2, wait_seconds=0.05)
        self.hot: HeavyHitters[rows.Row] = HeavyHitters(100, 120.0, clock=lambda: self.monotonic)
        self.cached = CachedReads(
            self.cache,
            self.local,
            self.sources,
            self.hot,
            flight_seconds=3.0,
            clock=lambda: self.cache.now,
            uniform=lambda: 0.0,
        )
        self.reads = Reads(self.cached, self.cache, self.sources)

    def pass_time(self, seconds: float) -> None:
        self.monotonic += seconds
        self.cache.now += seconds


@dataclass(frozen=True)
class Got:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


async def ask(app: Any, path: str, method: str = "GET", query: str = "", **headers: str) -> Got:
    """One request to an ASGI application."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode()}
    await app(
        scope | {"headers": fields, "scheme": "http", "server": ("api", 80), "http_version": "1.1"}, receive, send
    )
    found = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return Got(sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))
