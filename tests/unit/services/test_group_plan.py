from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.services.played_rows import PlayedRows

from hcs_services import idempotency, models
from hcs_services.database.versions import clock_version
from hcs_services.problem import Problem, problem
from hcs_services.write_api.group_plan import Asked, Known, Plan, Repeat, plan, products_needed
from hcs_services.write_api.service import WriteService

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
CLOCK = clock_version(NOW)
Reply = tuple[Any, ...]
Stock = Mapping[str, int]

PRICES = {"book": Decimal("19.90"), "gift": Decimal(0), "yacht": Decimal("9999999999.99")}
_AMOUNTS = st.sampled_from([None, None, None, Decimal("19.90"), Decimal("1.00"), Decimal(0)])
_ORDERS = st.builds(
    models.NewOrder.model_construct,
    user_id=st.sampled_from(["ada", "grace"]),
    product_id=st.sampled_from([*PRICES, "unknown"]),
    quantity=st.integers(1, 4),
    total_amount=_AMOUNTS,
)
_STOCKS = st.fixed_dictionaries({name: st.integers(0, 12) for name in PRICES})
_KEYS = st.sampled_from([None, None, None, "k1", "k2", "k3"])


def asked(order: models.NewOrder, key: str | None, number: int) -> Asked:
    document = order.model_dump(mode="json")
    name = key or f"own-{number}"
    return Asked(idempotency.Key("POST /orders", order.user_id, name, idempotency.body_hash(document)), order)


_ASKED = st.lists(st.tuples(_ORDERS, _KEYS), max_size=24).map(
    lambda pairs: [asked(order, key, number) for number, (order, key) in enumerate(pairs)]
)


class Ids:
    """Each id is offered twice: whoever does not look takes one that is taken."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self, _user_id: str, _now: datetime) -> int:
        self._calls += 1
        return 1000 + self._calls // 2


def service() -> WriteService:
    return WriteService(task_key=lambda: b"key", order_id=Ids(), task_id=lambda _key, name, _now: f"id of {name}")


def shelf(stock: Stock) -> PlayedRows:
    rows = PlayedRows()
    for name, price in PRICES.items():
        rows.products[name] = {
            "product_id": name,
            "name": name,
            "price": price,
            "stock": stock[name],
            "ver": 7,
        }
    return rows


class OneByOne:
    """What the orders come to when each is placed in a transaction of its own: today's service, and keys beside it."""

    def __init__(self, stock: Stock) -> None:
        self.rows = shelf(stock)
        self.kept: dict[tuple[str, str, str], tuple[bytes, Any]] = {}
        self._service = service()

    async def place(self, one: Asked) -> Reply:
        kept = self.kept.get(one.key.primary_key)
        if kept is not None:
            return ("replay", kept[1]) if kept[0] == one.key.body_hash else refused(idempotency.reused())
        try:
            outcome = await self._service.create_order(self.rows, one.order, NOW)
        except Problem as refusal:
            return refused(refusal)
        self.kept[one.key.primary_key] = (one.key.body_hash, outcome.document)
        return "placed", outcome.document


def refused(refusal: Problem) -> Reply:
    return "refused", refusal.slug, refusal.status, refusal.detail


class Grouped:
    """What they come to in one group."""

    def __init__(self, stock: Stock, group: Sequence[Asked], kept: Mapping[Any, tuple[bytes, Any]]) -> None:
        self.rows = shelf(stock)
        known = [found_under(one, kept) for one in group]
        products = {name: self.rows.products[name] for name in PRICES}
        self.plan: Plan = plan(group, known, products, NOW, service().free_order_id)
        self.replies: list[Reply] = []
        for verdict in self.plan.verdicts:
            self.replies.append(self._reply(verdict))

    def _reply(self, verdict: Any) -> Reply:
        if isinstance(verdict, Problem):
            return refused(verdict)
        if isinstance(verdict, Repeat):
            return "replay", self.replies[verdict.of][1]
        if isinstance(verdict, idempotency.Stored):
            return "replay", json.loads(verdict.body or b"")
        return "placed", models.order_document(verdict)

    @property
    def stock(self) -> dict[str, int]:
        left = {name: row["stock"] for name, row in self.rows.products.items()}
        return left | {taken.row["product_id"]: taken.row["stock"] for taken in self.plan.products}


def found_under(one: Asked, kept: Mapping[Any, tuple[bytes, Any]]) -> Known:
    row = kept.get(one.key.primary_key)
    if row is None:
        return None
    if row[0] != one.key.body_hash:
        return idempotency.reused()
    return idempotency.Stored(201, {}, json.dumps(row[1]).encode(), None, accepted=False)


@given(stock=_STOCKS, before=_ASKED, group=_ASKED)
async def test_a_group_answers_and_sells_as_its_orders_would_one_after_the_other(
    stock: Stock, before: list[Asked], group: list[Asked]
) -> None:
    oracle = OneByOne(stock)
    for one in before:
        await oracle.place(one)
    kept = dict(oracle.kept)
    begins_with = {name: row["stock"] for name, row in oracle.rows.products.items()}
    oracle._service = service()  # ids anew, as the group has them
    oracle.rows.orders.clear()

    expected = [await oracle.place(one) for one in group]
    grouped = Grouped(begins_with, group, kept)

    assert expected == grouped.replies
    assert {name: row["stock"] for name, row in oracle.rows.products.items()} == grouped.stock
    assert list(oracle.rows.orders.values()) == grouped.plan.orders


@given(stock=_STOCKS, group=_ASKED)
def test_stock_is_taken_once_a_product_under_a_new_version(stock: Stock, group: list[Asked]) -> None:
    grouped = Grouped(stock, group, {})

    for taken in grouped.plan.products:
        name = taken.row["product_id"]
        sold = sum(order["quantity"] for order in grouped.plan.orders if order["product_id"] == name)
        assert (sold, stock[name] - sold, CLOCK) == (taken.quantity, taken.row["stock"], taken.row["ver"])
        assert taken.row["stock"] >= 0
    names = [taken.row["product_id"] for taken in grouped.plan.products]
    assert names == sorted({order["product_id"] for order in grouped.plan.orders})
    assert list(grouped.plan.users) == sorted({order["user_id"] for order in grouped.plan.orders})


def order(product_id: str = "book", quantity: int = 1, user_id: str = "ada") -> models.NewOrder:
    return models.NewOrder(user_id=user_id, product_id=product_id, quantity=quantity, total_amount=None)


def test_a_refused_order_leaves_what_it_wanted_to_the_next() -> None:
    group = [asked(order(quantity=3), None, 0), asked(order(quantity=5), None, 1), asked(order(quantity=1), None, 2)]

    grouped = Grouped({"book": 4, "gift": 0, "yacht": 0}, group, {})

    assert [reply[0] for reply in grouped.replies] == ["placed", "refused", "placed"]
    assert grouped.replies[1][3] == "Only 1 left of the 5 asked for."
    assert grouped.stock["book"] == 0


def test_a_key_whose_first_order_is_refused_is_free_for_the_next() -> None:
    group = [asked(order(quantity=3), "k", 0), asked(order(quantity=1), "k", 1)]

    grouped = Grouped({"book": 2, "gift": 0, "yacht": 0}, group, {})

    assert [reply[0] for reply in grouped.replies] == ["refused", "placed"]


def test_a_group_of_a_product_whose_clock_is_ahead_still_gets_a_newer_version() -> None:
    row = {"product_id": "book", "name": "book", "price": Decimal(1), "stock": 5, "ver": CLOCK + 10}

    decided = plan([asked(order(), None, 0)], [None], {"book": row}, NOW, service().free_order_id)

    assert [taken.row["ver"] for taken in decided.products] == [CLOCK + 11]


def test_only_products_of_orders_that_may_be_placed_are_locked_and_in_one_order() -> None:
    group = [asked(order(name), None, number) for number, name in enumerate(["yacht", "book", "gift", "book"])]
    in_flight = problem("request-in-flight", "by another")

    assert products_needed(group, [None, None, in_flight, None]) == ["book", "yacht"]


def test_when_no_id_is_free_only_that_order_is_refused() -> None:
    def ids(user_id: str, _now: datetime, taken: Any) -> int:
        if user_id == "ada":
            raise problem("overloaded", "none")
        return 5 + len(taken)

    group = [asked(order(user_id=user), None, number) for number, user in enumerate(["ada", "grace"])]
    rows = shelf({"book": 9, "gift": 0, "yacht": 0})

    decided = plan(group, [None, None], rows.products, NOW, ids)

    assert isinstance(decided.verdicts[0], Problem)
    assert [taken.quantity for taken in decided.products] == [1]


@pytest.mark.parametrize("taken", [set(), {1000}])
def test_an_id_of_the_same_group_is_not_given_twice(taken: set[int]) -> None:
    assert service().free_order_id("ada", NOW, taken) not in taken
