"""What was done with dead letters, and why: rows that stay for 90 days, whatever became of letter and task."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from hcs_services.database import many_rows
from hcs_services.database.connection import Connection
from hcs_services.queue.letters import Letter
from hcs_services.worker.dead_letters import About
from hcs_services.worker.task_rows import naive

BECAUSE_CHARACTERS: Final = 200
_COLUMNS: Final = ("run", "letter", "done_at", "action", "task_id", "type", "reason", "detail", "because")


@dataclass(frozen=True, slots=True)
class Purpose:
    """One call of the command, and the words that it was given for it."""

    because: str
    run: str = field(default_factory=lambda: secrets.token_hex(8))


async def record(tx: Connection, purpose: Purpose, action: str, letters: Sequence[Letter]) -> None:
    """Write down what this transaction does with the letters; once, if it is run again."""
    if not letters:
        return
    now = naive(datetime.now(UTC))
    rows = [
        (purpose.run, letter.tag, now, action, about.task_id, about.type, about.reason, about.detail, purpose.because)
        for letter in letters
        for about in [About.of(letter)]
    ]
    await many_rows.insert(
        tx, "dead_letter_audit", _COLUMNS, rows, " ON DUPLICATE KEY UPDATE run = dead_letter_audit.run"
    )


async def latest(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest so many rows, oldest first, as JSON takes them."""
    rows = await connection.fetch_all(
        f"SELECT {', '.join(_COLUMNS)} FROM dead_letter_audit"  # noqa: S608 - names only
        " ORDER BY done_at DESC, run DESC, letter DESC LIMIT %s",
        (limit,),
    )
    return [{**row, "done_at": f"{row['done_at'].isoformat()}Z"} for row in reversed(rows)]
