"""The sums of a ledger: nothing is wrong where all is there once, and each loss and each double is counted as such."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.cluster.attempts import Attempt
from tests.cluster.sums import STOCK, Seen, Sent, disagreeing, doubled, lost, without_effect

pytestmark = pytest.mark.unit


def order(key: str, status: int = 201) -> Attempt:
    return Attempt("/orders", status=status, answer={"order_id": key} if status == 201 else {})


def row(status: str) -> dict[str, Any]:
    return {"status": status, "product_id": "book", "quantity": 2, "total_amount": "5.00"}


def payment(key: str) -> Attempt:
    return Attempt("/payments", {"order_id": key, "amount": "5.00"}, status=202, answer={"task_id": key})


def charge(key: str, *, refunded: bool = False) -> dict[str, Any]:
    return {"order_id": key, "amount": "5.0", "refunded": refunded}


SENT = Sent(
    orders=[order("new"), order("paid"), order("back"), order("", 422)],
    mails=[Attempt("/notifications", {"to": "a@b"}, status=202)],
    payments=[payment("paid"), payment("back")],
    cancels=[Attempt("/orders/back", method="DELETE", status=200, answer={"order_id": "back", "status": "CANCELLED"})],
)
SEEN = Seen(
    rows={"new": row("PENDING"), "paid": row("PAID"), "back": row("CANCELLED")},
    charges=[charge("paid"), charge("back", refunded=True)],
    mails={"a@b": {"<1>"}},
    confirmations={key: {f"<{key}>"} for key in ("new", "paid", "back")},
)
LEFT = {"book": STOCK - 4}


def without(key: str) -> dict[str, Mapping[str, Any]]:
    return {name: one for name, one in SEEN.rows.items() if name != key}


def with_row(key: str, status: str) -> dict[str, Mapping[str, Any]]:
    return {**SEEN.rows, key: row(status)}


def test_where_all_is_there_once_nothing_is_lost_doubled_or_wrong() -> None:
    assert [without_effect(SENT, SEEN), lost(SENT, SEEN), doubled(SENT, SEEN), disagreeing(SENT, SEEN, LEFT)] == [
        []
    ] * 4


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (replace(SEEN, rows=without("new")), ["order new"]),
        (replace(SEEN, rows=with_row("back", "PAID")), ["cancel of back"]),
        (replace(SEEN, rows=with_row("paid", "PENDING")), ["payment of paid"]),
        (replace(SEEN, charges=SEEN.charges[1:]), ["charge for paid"]),
        (replace(SEEN, charges=[SEEN.charges[0], charge("back")]), ["refund of back"]),
        (replace(SEEN, mails={}), ["mail to a@b"]),
        (replace(SEEN, confirmations={"paid": {"<2>"}, "back": {"<3>"}}), ["confirmation of new"]),
        (replace(SEEN, unfinished=["result of 7"]), ["result of 7"]),
    ],
)
def test_what_was_acknowledged_and_is_not_there_is_lost(seen: Seen, expected: list[str]) -> None:
    assert (lost(SENT, seen), doubled(SENT, seen)) == (expected, [])


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (
            replace(SEEN, rows=with_row("twin", "PENDING"), confirmations={**SEEN.confirmations, "twin": {"<4>"}}),
            ["order twin"],
        ),
        (replace(SEEN, mails={"a@b": {"<1>", "<2>"}}), ["mail about a@b: ['<1>', '<2>']"]),
        (
            replace(SEEN, confirmations={**SEEN.confirmations, "new": {"<1>", "<2>"}}),
            ["mail about new: ['<1>', '<2>']"],
        ),
        (replace(SEEN, charges=[*SEEN.charges, charge("paid")]), ["charge for paid"]),
    ],
)
def test_what_was_done_twice_is_doubled(seen: Seen, expected: list[str]) -> None:
    assert (lost(SENT, seen), doubled(SENT, seen)) == ([], expected)


def test_an_order_that_could_not_be_settled_may_be_there_and_is_named() -> None:
    sent = replace(SENT, orders=[*SENT.orders, order("", 0)])
    rows, confirmations = with_row("unsure", "PENDING"), {**SEEN.confirmations, "unsure": {"<4>"}}
    seen = replace(SEEN, rows=rows, confirmations=confirmations)
    assert doubled(sent, seen) == []
    assert disagreeing(sent, seen, {"book": STOCK - 6}) == ["1 could not be settled, the first: POST /orders"]


def test_stock_cancels_money_and_answers_that_do_not_add_up_are_wrong() -> None:
    sent = replace(SENT, cancels=[], mails=[replace(SENT.mails[0], bugs=["GET x: 500"])])
    seen = replace(SEEN, charges=[charge("paid"), charge("back")])
    assert disagreeing(sent, seen, {"book": 7}) == [
        "an answer that must never be: GET x: 500",
        f"stock of book: 7, not {STOCK - 4}",
        "cancelled by nobody: back",
        "charges minus refunds are 10.0, the orders were paid 5.00",
    ]
