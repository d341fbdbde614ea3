from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.money import MAX_AMOUNT
from hcs_services.problem import Problem
from hcs_services.write_api import rules

STATUSES = ["PENDING", "PAID", "SHIPPED", "DELIVERED", "CANCELLED"]
LEGAL = {("PENDING", "PAID"), ("PAID", "SHIPPED"), ("SHIPPED", "DELIVERED")}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("wanted", STATUSES)
def test_an_order_goes_one_step_forward_only(status: str, wanted: str) -> None:
    if (status, wanted) in LEGAL:
        rules.check_transition(status, wanted)
        return
    with pytest.raises(Problem) as refused:
        rules.check_transition(status, wanted)
    assert (refused.value.status, refused.value.slug) == (409, "illegal-transition")


@pytest.mark.parametrize("status", STATUSES)
def test_only_a_pending_or_paid_order_is_cancelled(status: str) -> None:
    if status in {"PENDING", "PAID"}:
        rules.check_cancel(status)
        return
    with pytest.raises(Problem):
        rules.check_cancel(status)


@given(st.decimals(0, MAX_AMOUNT, places=2), st.integers(1, 10_000))
def test_a_total_is_exact_or_too_large(price: Decimal, quantity: int) -> None:
    cents = int(price * 100) * quantity
    if cents <= int(MAX_AMOUNT * 100):
        assert int(rules.total(price, quantity, None) * 100) == cents
        return
    with pytest.raises(Problem) as refused:
        rules.total(price, quantity, None)
    assert refused.value.slug == "amount-too-large"


def test_a_total_that_is_given_must_be_the_total() -> None:
    assert rules.total(Decimal("19.90"), 2, Decimal("39.80")) == Decimal("39.80")
    with pytest.raises(Problem) as refused:
        rules.total(Decimal("19.90"), 2, Decimal("39.81"))
    assert refused.value.slug == "amount-mismatch"


def test_stock_may_be_used_up_and_filled_to_its_limit_but_no_further() -> None:
    rules.check_stock(3, 3)
    rules.check_restock(1, 999_999_999)
    with pytest.raises(Problem, match="Only 3 left"):
        rules.check_stock(3, 4)
    with pytest.raises(Problem, match="more than 1000000000"):
        rules.check_restock(2, 999_999_999)


def test_a_free_order_is_born_paid() -> None:
    assert (rules.first_status(Decimal("0.00")), rules.first_status(Decimal("0.01"))) == ("PAID", "PENDING")
