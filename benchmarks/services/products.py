"""The products that are read: their names, rows and requests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.services import wrk

_VERSION = 1_764_352_800_000_000


def product_id(number: int) -> str:
    """Twelve digits: what redis-benchmark draws."""
    return f"bench-{number:012}"


def row(number: int) -> dict[str, Any]:
    """As it is in the table."""
    return {
        "product_id": product_id(number),
        "name": "A book",
        "price": "19.90",
        "stock": 1000,
        "slot": 0,
        "ver": _VERSION,
    }


def requests(file: Path, numbers: Iterable[int]) -> Path:
    """A GET of each, for wrk."""
    return wrk.write(file, (wrk.get(f"/api/v1/products/{product_id(number)}") for number in numbers))
