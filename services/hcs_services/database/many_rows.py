"""SQL over many rows in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hcs_services.database.connection import Connection


def marks(count: int) -> str:
    """So many placeholders, as `IN (…)` wants them."""
    return ", ".join(["%s"] * count)


async def insert(
    tx: Connection, table: str, columns: Sequence[str], rows: Iterable[Iterable[Any]], otherwise: str = ""
) -> None:
    """Add the rows, or none if one fails; `otherwise` is what follows the values (`ON DUPLICATE KEY UPDATE …`)."""
    values = [list(row) for row in rows]
    row = f"({marks(len(columns))})"
    await tx.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * len(values))}{otherwise}",  # noqa: S608
        [value for each in values for value in each],
    )
