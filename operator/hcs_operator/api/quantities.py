"""Kubernetes quantities of bytes: `256Mi`, `20Gi`, `1G`."""

import re
from typing import Annotated

from pydantic import Field

PATTERN = r"^[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?$"
Quantity = Annotated[str, Field(pattern=PATTERN, max_length=16)]

_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "": 1}


def in_bytes(quantity: str) -> int:
    """`256Mi` → 268435456. Raises ValueError for what is no quantity of whole bytes."""
    found = re.fullmatch(r"([1-9][0-9]*)(Ki|Mi|Gi|Ti|k|M|G|T)?", quantity)
    if not found:
        raise ValueError(f"{quantity!r} is no quantity of bytes: write 256Mi or 20Gi")
    return int(found[1]) * _UNITS[found[2] or ""]


def mebibytes(quantity: str) -> int:
    """`1Gi` → 1024, rounded down, at least 1."""
    return max(1, in_bytes(quantity) // 2**20)
