"""The whole story in one word and one sentence, for people."""

from collections.abc import Mapping
from typing import NamedTuple

from hcs_operator.api import conditions
from hcs_operator.status.facts import Facts, Verdict


class Phase(NamedTuple):
    """`word` is Paused, Starting, Unavailable, Stalled, Degraded, Updating or Running."""

    word: str
    message: str


def phase(facts: Facts, verdicts: Mapping[str, Verdict]) -> Phase:
    """Choose the word that tells most, and the sentence that belongs to it."""
    ready, stalled = verdicts[conditions.READY], verdicts[conditions.STALLED]
    reconciling = verdicts[conditions.RECONCILING]
    if facts.stack.spec.paused:
        return Phase("Paused", verdicts[conditions.PAUSED].message)
    if stalled.holds:
        return Phase("Degraded" if ready.holds else "Stalled", stalled.message)
    if not ready.holds:
        return Phase("Starting" if facts.starting else "Unavailable", ready.message)
    return Phase("Updating", reconciling.message) if reconciling.holds else Phase("Running", ready.message)
