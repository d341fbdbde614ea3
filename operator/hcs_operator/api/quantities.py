"""Kubernetes quantities: `256Mi`, `1.5Gi`, `100m`, `2e3`."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from hcs_operator.api.model import rules

WHOLE = r"^[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?$"
"""What the spec takes for sizes of its own: whole bytes, so that nobody has to round."""

_ANY = re.compile(r"([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?")
_DECIMAL = {unit: Decimal(1000) ** power for power, unit in enumerate("num kMGTPE", start=-3) if unit != " "}
_BINARY = {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)}
_UNITS = {"": Decimal(1), **_DECIMAL, **_BINARY}


def amount(quantity: str) -> Decimal:
    """`1.5Gi` → 1610612736, `100m` → 0.1. Raises ValueError for what is no quantity."""
    found = _ANY.fullmatch(quantity)
    if not found:
        raise ValueError(f"{quantity!r} is no quantity: write 256Mi, 1.5Gi or 100m")
    number, suffix = Decimal(found[1]), found[2] or ""
    return number * _UNITS[suffix] if suffix in _UNITS else number.scaleb(int(suffix[1:]))


def in_bytes(quantity: str) -> int:
    """`256Mi` → 268435456, rounded down. Raises ValueError."""
    return int(amount(quantity))


def mebibytes(quantity: str) -> int:
    """`1Gi` → 1024, rounded down, at least 1. Raises ValueError."""
    return max(1, in_bytes(quantity) // 2**20)


def _from(least: str) -> tuple[dict[str, Any], AfterValidator]:
    """The least size of a field, as a CEL rule and as a check of what is parsed."""

    def check(value: str) -> str:
        if in_bytes(value) < in_bytes(least):
            raise ValueError(f"must be at least {least}: write a larger one")
        return value

    rule = f"quantity(self).compareTo(quantity('{least}')) >= 0"
    return rules((rule, f"must be at least {least}: write a larger one")), AfterValidator(check)


_VOLUME, _CACHE = _from("1Gi"), _from("4Mi")
VolumeSize = Annotated[str, Field(pattern=WHOLE, max_length=16, json_schema_extra=_VOLUME[0]), _VOLUME[1]]
CacheSize = Annotated[str, Field(pattern=WHOLE, max_length=16, json_schema_extra=_CACHE[0]), _CACHE[1]]
