"""Dead letters that nobody wants any more, thrown away and written down.

The row that tells of it commits first, the letter is removed second: an end in between leaves a letter that the next
purge throws away, never one that is gone without a word. The task's own row stays `dead` for as long as it is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hcs_services.database.connection import Connection
from hcs_services.database.members import PrimaryPool
from hcs_services.database.settle import run_keyed
from hcs_services.queue.letters import Letter
from hcs_services.worker import audit
from hcs_services.worker.audit import Purpose
from hcs_services.worker.dead_letters import BATCH, OTHERS, About, Letters, Wanted, in_batches

PURGED: Final = "purged"
OWED: Final = "left: a refund, which is money owed: purge it by its --type alone"
_REFUND: Final = "refund_payment"


def choose(letter: Letter, wanted: Wanted) -> Letter | str:
    """Whether to throw it away; why not."""
    about = About.of(letter)
    if not wanted.means(about):
        return OTHERS
    if about.type == _REFUND and wanted.type is None:
        return OWED
    return letter


@dataclass(frozen=True, slots=True)
class Purge:
    """The parts that it takes."""

    letters: Letters
    primary: PrimaryPool
    purpose: Purpose

    async def run(self, wanted: Wanted) -> Counter[str]:
        """Purge what is wanted; how many letters had which outcome.

        Raises SessionLost or DatabaseFailure: it can be run again.
        """
        told: Counter[str] = Counter()
        async for batch in in_batches(self.letters, lambda it: choose(it, wanted), BATCH, wanted.limit, told):
            await self._purge(batch)
            told[PURGED] += len(batch)
        return told

    async def _purge(self, batch: Sequence[Letter]) -> None:
        async def write_down(tx: Connection, _settling: bool) -> None:  # noqa: FBT001 - run_keyed's form
            await audit.record(tx, self.purpose, PURGED, batch)

        await run_keyed(self.primary, write_down)
        for letter in batch:
            self.letters.remove(letter)
