from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.services.played_mysql import Group, Member, MysqlError, PlayedConnection

from hcs_services import idempotency, models, request_context
from hcs_services.database import members
from hcs_services.database.members import PrimaryPool
from hcs_services.database.settle import REPEATS
from hcs_services.problem import Problem
from hcs_services.settings import Settings
from hcs_services.write_api.group_commit import OrderDesk
from hcs_services.write_api.service import Outcome, WriteService
from hcs_services.write_api.unit import Answer, Done

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


class Shop(PlayedConnection):
    """A connection that knows two products and nobody's list; notes what it is asked, and with what."""

    said: list[tuple[str, tuple[Any, ...]]]
    fails: dict[str, Exception]

    async def execute(self, sql: str, arguments: Any = ()) -> int:
        await self._hear(sql, arguments)
        return len(arguments) and sql.count("SET stock") and sql.count("%s") // 7

    async def fetch_all(self, sql: str, arguments: Any = ()) -> list[dict[str, Any]]:
        await self._hear(sql, arguments)
        if "FROM products" in sql:
            stocked = {"book": 5, "gift": 5}
            return [
                {"product_id": name, "name": name, "price": Decimal(1), "stock": stocked[name], "ver": 1}
                for name in arguments
                if name in stocked
            ]
        return [{"user_id": user, "ver": 9} for user in arguments] if "FROM user_lists" in sql else []

    async def _hear(self, sql: str, arguments: Any) -> None:
        await asyncio.sleep(0)
        self.said.append((sql, tuple(arguments)))
        await self._answer(sql)
        for beginning, error in self.fails.items():
            if sql.startswith(beginning):
                raise error


class Unit:
    """What a desk asks of the unit of work."""

    def __init__(self) -> None:
        self.alone: list[tuple[str, bool]] = []
        self.followed: list[list[Outcome]] = []

    async def run(self, key: idempotency.Key, _work: Any, *, settling: bool = False) -> Answer:
        self.alone.append((key.key, settling))
        return Answer(201, {}, b"alone")

    async def follow_up(self, outcomes: Sequence[Outcome]) -> None:
        self.followed.append(list(outcomes))

    def answer(self, done: Done, gtid: str) -> Answer:
        return Answer(done.status, {"gtid": gtid, "replayed": str(done.replayed), **done.headers}, done.body)


class Rig:
    """A desk over one played primary."""

    def __init__(self) -> None:
        self.member = Member(primary=True)
        self.said: list[tuple[str, tuple[Any, ...]]] = []
        self.fails: dict[str, Exception] = {}
        self.unit = Unit()
        group = Group(a=self.member)

        async def connect(address: str) -> Any:
            connection = Shop(self.member, address)
            connection.said, connection.fails = self.said, self.fails
            return connection

        ids = iter(range(100, 200))
        service = WriteService(
            task_key=lambda: b"key", order_id=lambda _user, _now: next(ids), task_id=lambda _key, name, _now: name
        )
        unit: Any = self.unit
        pool = PrimaryPool(group.addresses, connect, size=2)
        patient = Settings(order_group_wait_ms=60_000)  # on a loaded machine a second group would go beside the first
        self.desk = OrderDesk(pool, unit, service, patient, clock=lambda: NOW)

    async def place(self, *wanted: tuple[str, str, int]) -> list[Answer | BaseException]:
        """(key, product, quantity) each; all at once."""
        return await asyncio.gather(
            *(self.desk.place(keyed(key), ordered(product, quantity)) for key, product, quantity in wanted),
            return_exceptions=True,
        )

    @property
    def statements(self) -> list[str]:
        return [" ".join(sql.split()[:3]) for sql, _ in self.said]


def keyed(key: str) -> idempotency.Key:
    scope = "own POST /orders" if key.startswith("own") else "POST /orders"
    return idempotency.Key(scope, "ada", key, idempotency.body_hash(None))


def ordered(product_id: str, quantity: int = 1) -> models.NewOrder:
    return models.NewOrder(user_id="ada", product_id=product_id, quantity=quantity, total_amount=None)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(members, "_PAUSE", (0.001, 0.002))
    request_context.set_deadline(None)
    yield Rig()
    request_context.set_deadline(None)


async def test_a_group_is_one_commit_and_a_statement_a_table(rig: Rig) -> None:
    answers = await rig.place(("k1", "gift", 1), ("own2", "book", 2), ("own3", "gift", 1))

    assert [answer.status for answer in answers if isinstance(answer, Answer)] == [201, 201, 201]
    assert rig.member.commits == 1
    assert rig.statements == [
        "SELECT scope, owner,",
        "SELECT product_id, name,",
        "UPDATE products FORCE",
        "INSERT INTO orders",
        "INSERT INTO user_lists",
        "SELECT user_id, ver",
        "INSERT INTO outbox",
        "INSERT INTO idempotency_keys",
    ]
    assert [len(outcomes) for outcomes in rig.unit.followed] == [3]


async def test_products_are_locked_in_one_order_whoever_came_first(rig: Rig) -> None:
    await rig.place(("own1", "gift", 1), ("own2", "book", 2))

    assert rig.said[0][1] == ("book", "gift")
    assert "ORDER BY product_id FOR UPDATE" in rig.said[0][0]


async def test_a_key_of_our_own_is_not_looked_for(rig: Rig) -> None:
    await rig.place(("own1", "book", 1))

    assert "SELECT scope, owner," not in rig.statements


async def test_a_row_that_is_refused_fails_its_own_request_only(rig: Rig) -> None:
    placed, unknown, too_many = await rig.place(("own1", "book", 1), ("own2", "nothing", 1), ("own3", "book", 5))

    assert isinstance(placed, Answer)
    assert [error.slug for error in (unknown, too_many) if isinstance(error, Problem)] == [
        "product-not-found",
        "insufficient-stock",
    ]
    kept = next(arguments for sql, arguments in rig.said if sql.startswith("INSERT INTO idempotency_keys"))
    assert ("own1" in kept, "own2" in kept, "own3" in kept) == (True, False, False)
    assert rig.unit.alone == []


async def test_a_group_of_refusals_writes_nothing(rig: Rig) -> None:
    await rig.place(("own1", "nothing", 1), ("own2", "book", 6))

    assert [statement for statement in rig.statements if not statement.startswith("SELECT")] == []
    assert rig.unit.followed == []


async def test_the_same_key_twice_is_one_order_and_a_replay_of_it(rig: Rig) -> None:
    first, second = await rig.place(("k", "book", 1), ("k", "book", 1))

    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert (first.body, first.headers["replayed"]) == (second.body, "False")
    assert second.headers["replayed"] == "True"
    assert [len(outcomes) for outcomes in rig.unit.followed] == [1]


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT product_id", MysqlError(1213, "deadlock")),
        ("UPDATE products", MysqlError(2013, "lost")),
        ("INSERT INTO idempotency_keys", MysqlError(1062, "duplicate")),
        ("INSERT INTO orders", MysqlError(1062, "duplicate")),
    ],
)
async def test_a_group_that_fails_is_placed_one_by_one_under_the_same_keys(
    rig: Rig, statement: str, error: Exception
) -> None:
    rig.fails[statement] = error

    answers = await rig.place(("k1", "book", 1), ("k2", "book", 1))

    assert [answer.body for answer in answers if isinstance(answer, Answer)] == [b"alone"] * 2
    assert rig.unit.alone == [("k1", False), ("k2", False)]
    assert (rig.member.commits, rig.unit.followed) == (0, [])


async def test_a_product_with_less_than_its_locked_row_said_undoes_the_group(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_changed(_self: Shop, sql: str, _arguments: Any = ()) -> int:
        rig.said.append((sql, ()))
        return 0

    monkeypatch.setattr(Shop, "execute", none_changed)

    await rig.place(("k1", "book", 1))

    assert rig.unit.alone == [("k1", False)]
    assert rig.statements[-1] == "UPDATE products FORCE"


async def test_a_commit_of_unknown_outcome_is_settled_by_each_key_that_wrote(rig: Rig) -> None:
    rig.member.answers["COMMIT"] = MysqlError(2013, "lost")
    before = REPEATS.labels("outcome-unknown")._value.get()

    await rig.place(("k1", "book", 1), ("k2", "nothing", 1), ("k1", "book", 1))

    assert sorted(rig.unit.alone) == [("k1", False), ("k1", True), ("k2", False)]
    assert REPEATS.labels("outcome-unknown")._value.get() == before + 1


@pytest.mark.parametrize(("number", "settling"), [(3100, True), (3231, False)])
async def test_a_group_that_is_too_large_is_split_once_into_its_orders(rig: Rig, number: int, settling: bool) -> None:
    rig.member.answers["COMMIT"] = MysqlError(number, "refused by a primary that goes on leading")

    answers = await rig.place(("k1", "book", 1), ("k2", "gift", 1))

    assert [answer.body for answer in answers if isinstance(answer, Answer)] == [b"alone"] * 2
    assert rig.unit.alone == [("k1", settling), ("k2", settling)]
    assert rig.member.statements.count("COMMIT") == 1


async def test_without_time_the_answer_is_a_504_and_no_transaction(rig: Rig) -> None:
    request_context.set_deadline(time.monotonic() - 1)

    (refused,) = await rig.place(("k1", "book", 1))

    assert isinstance(refused, Problem)
    assert (refused.slug, rig.said) == ("deadline-exceeded", [])


async def test_who_waits_for_a_primary_in_vain_gets_a_503_and_when_to_come_back(rig: Rig) -> None:
    rig.member.primary = False
    request_context.set_deadline(time.monotonic() + 0.05)

    (refused,) = await rig.place(("k1", "book", 1))

    assert isinstance(refused, Problem)
    assert (refused.slug, refused.retry_after) == ("database-unavailable", 1)
