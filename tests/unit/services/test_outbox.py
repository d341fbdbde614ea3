from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hcs_services.cache.entry import Change
from hcs_services.database.connection import Connection
from hcs_services.identifiers import public_order_id
from hcs_services.queue.publisher import NotAccepted
from hcs_services.settings import Settings
from hcs_services.write_api import outbox
from hcs_services.write_api.outbox import OutboxRow
from hcs_services.write_api.relay import Relay

AT = datetime(2026, 11, 23, 20, 0)  # noqa: DTZ001 - as the database gives it
ORDER = 7


def task(number: int, name: str = "send_email") -> OutboxRow:
    payload = {
        "task_id": f"T{number}",
        "type": name,
        "payload": {"to": "x"},
        "created_at": "2026-11-23T20:00:00.000000Z",
    }
    return OutboxRow(number, "task", payload, AT)


def refresh_of(number: int, **names: list[str]) -> OutboxRow:
    return OutboxRow(number, "cache", {"orders": [], "products": [], "users": []} | names, AT)


class Broker:
    """A broker that confirms, or refuses what it is told to."""

    def __init__(self, *refused: str) -> None:
        self.published: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self._refused = refused

    async def publish(
        self,
        queue: str,
        body: bytes,
        headers: Mapping[str, Any] | None = None,
        timeout: float = 5.0,  # noqa: ASYNC109
    ) -> None:
        document = json.loads(body)
        if document["task_id"] in self._refused:
            raise NotAccepted("refused")
        self.published.append((queue, document, dict(headers or {})))


class Redis:
    """A cache that takes what it is given, unless it is away."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.changes: list[Change] = []

    async def put_many(self, changes: Iterable[Change]) -> bool:
        self.changes += changes
        return not self.away


class Rows:
    """A transaction over an outbox and the rows that its cache rows name."""

    def __init__(self, *waiting: OutboxRow) -> None:
        self.waiting = {row.id: row for row in waiting}
        self.tried: list[int] = []
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.address = "a"

    async def fetch_all(self, sql: str, arguments: Any = ()) -> list[dict[str, Any]]:
        if " FROM outbox " in sql:
            assert sql.endswith("FOR UPDATE SKIP LOCKED")
            *kinds, limit = arguments
            rows = [row for row in self.waiting.values() if row.kind in kinds][:limit]
            names = ("id", "kind", "created_at")
            return [{name: getattr(row, name) for name in names} | {"payload": json.dumps(row.payload)} for row in rows]
        self.asked.append((sql.split(" FROM ")[1].split(maxsplit=1)[0], tuple(arguments)))
        if " FROM orders " in sql:
            return [
                {
                    "order_id": number,
                    "user_id": "ada",
                    "product_id": "book",
                    "quantity": 1,
                    "total_amount": Decimal("1.00"),
                    "status": "PAID",
                    "created_at": AT,
                    "updated_at": AT,
                    "ver": 5,
                }
                for number in arguments
            ]
        if " FROM products " in sql:
            return [
                {"product_id": name, "name": "B", "price": Decimal("1.00"), "stock": 1, "ver": 6} for name in arguments
            ]
        return [{"user_id": name, "ver": 7} for name in arguments]

    async def execute(self, sql: str, arguments: Any = ()) -> int:
        if sql.startswith("DELETE"):
            for number in arguments:
                del self.waiting[number]
        else:
            self.tried += arguments
        return len(arguments)


class OneTransaction:
    """A pool whose every transaction is this one."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def transaction(self) -> OneTransaction:
        return self

    async def __aenter__(self) -> Rows:
        return self._rows

    async def __aexit__(self, *_: object) -> None:
        return None


def relay(rows: Rows, cache: Redis, broker: Broker) -> Relay:
    pool: Any = OneTransaction(rows)
    return Relay(pool, cache, broker, Settings(), "me")


async def turn(rows: Rows, broker: Broker) -> tuple[int, int]:
    return await relay(rows, Redis(), broker).turn(
        outbox.TASK_KINDS, lambda taken, _tx: outbox.publish(taken, broker, 1)
    )


async def test_a_task_is_published_to_its_class_and_its_row_deleted() -> None:
    rows, broker = Rows(task(1), task(2, "generate_report")), Broker()

    assert await turn(rows, broker) == (2, 2)
    assert [queue for queue, _, _ in broker.published] == ["hcs.default", "hcs.bulk"]
    assert broker.published[0][1]["task_id"] == "T1"
    assert broker.published[0][2] == {"task-attempt": 0}
    assert rows.waiting == {}


async def test_a_refund_has_a_task_id_that_is_stable() -> None:
    payload = {"order_id": "X", "charge_id": "ch_1"}
    rows, broker = Rows(OutboxRow(3, "refund", payload, AT)), Broker()

    await turn(rows, broker)

    queue, document, _ = broker.published[0]
    assert (queue, document["type"], document["task_id"]) == ("hcs.critical", "refund_payment", "refund-ch_1")
    assert document["payload"] == payload
    assert document["created_at"] == "2026-11-23T20:00:00Z"


async def test_a_row_that_the_broker_refuses_stays_and_counts_its_try() -> None:
    rows, broker = Rows(task(1), task(2)), Broker("T1")

    assert await turn(rows, broker) == (2, 1)
    assert (set(rows.waiting), rows.tried) == ({1}, [1])


async def test_a_row_that_is_no_task_does_not_stop_the_others() -> None:
    rows, broker = Rows(OutboxRow(1, "task", {"strange": True}, AT), task(2, "unknown_type"), task(3)), Broker()

    assert await turn(rows, broker) == (3, 1)
    assert rows.waiting.keys() == {1, 2}


async def test_an_empty_outbox_is_left_alone() -> None:
    assert await turn(Rows(refresh_of(1)), Broker()) == (0, 0)


async def test_a_cache_row_puts_what_is_committed_now_each_thing_once() -> None:
    public = public_order_id(ORDER)
    rows = Rows(refresh_of(1, orders=[public], products=["book"], users=["ada"]), refresh_of(2, products=["book"]))
    cache = Redis()

    await relay(rows, cache, Broker()).turn(outbox.CACHE_KINDS, lambda taken, tx: outbox.refresh(taken, tx, cache))

    assert [(change.key, change.version) for change in cache.changes] == [
        (f"o:{public}", 5),
        ("p:book", 6),
        ("l:ada", 7),
    ]
    assert rows.waiting == {}


async def test_while_redis_is_away_cache_rows_stay() -> None:
    rows, cache = Rows(refresh_of(1, users=["ada"])), Redis(away=True)

    await relay(rows, cache, Broker()).turn(outbox.CACHE_KINDS, lambda taken, tx: outbox.refresh(taken, tx, cache))

    assert rows.waiting.keys() == {1}


async def test_names_that_are_no_orders_are_passed_over() -> None:
    rows: Any = Rows()
    connection: Connection = rows

    assert await outbox.current_states([refresh_of(1, orders=["nonsense"])], connection) == []


async def test_publishing_goes_on_side_by_side() -> None:
    both = asyncio.Barrier(2)

    class Slow(Broker):
        async def publish(self, *_: Any, **__: Any) -> None:
            await both.wait()

    async with asyncio.timeout(1):
        assert await outbox.publish([task(1), task(2)], Slow(), 1) == {1, 2}


@pytest.mark.parametrize("at", [datetime(2026, 11, 23, 20, 0, tzinfo=UTC)])
def test_a_message_carries_the_moment_of_the_accept(at: datetime) -> None:
    assert outbox.message(task(1)).created_at == at
