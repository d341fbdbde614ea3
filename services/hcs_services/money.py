"""Money as decimal strings with at most two places: `"19.90"`; never a float, never a JSON number."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

MAX_AMOUNT = Decimal("9999999999.99")
PATTERN = r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$"
_MONEY = re.compile(PATTERN.removeprefix("^").removesuffix("$"))
_CENTS = Decimal("0.01")


def parse_money(value: Any) -> Decimal:
    """The amount, with two places, of a string such as `"19.9"`; raises ValueError for anything else."""
    if isinstance(value, Decimal):
        return value.quantize(_CENTS)
    if not isinstance(value, str) or not _MONEY.fullmatch(value):
        raise ValueError('an amount is a string such as "19.90", from 0 to 9999999999.99')
    return Decimal(value).quantize(_CENTS)


def format_money(amount: Decimal) -> str:
    """Always two places, never an exponent."""
    return f"{amount:.2f}"


Money = Annotated[
    Decimal,
    BeforeValidator(parse_money),
    PlainSerializer(format_money, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["19.90"]}),
]
