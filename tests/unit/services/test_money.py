from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.money import MAX_AMOUNT, format_money, parse_money

amounts = st.decimals(0, MAX_AMOUNT, places=2)


@given(amounts)
def test_an_amount_is_written_and_read_alike(amount: Decimal) -> None:
    assert amount == parse_money(format_money(amount))


@pytest.mark.parametrize(
    ("text", "written"), [("19.9", "19.90"), ("0", "0.00"), ("7", "7.00"), ("9999999999.99", "9999999999.99")]
)
def test_an_amount_is_answered_with_two_places(text: str, written: str) -> None:
    assert written == format_money(parse_money(text))


@pytest.mark.parametrize(
    "value",
    [
        19.9,
        19,
        True,
        None,
        "",
        " 1",
        "1 ",
        "1.",
        ".5",
        "-1",
        "+1",
        "1e2",
        "01",
        "1.999",
        "10000000000",
        "NaN",
        "٣",
        "1\n",
    ],
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="an amount is a string"):
        parse_money(value)
