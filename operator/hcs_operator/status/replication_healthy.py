"""Whether every read replica follows the primary closely enough to be read."""

from hcs_operator.api import conditions
from hcs_operator.api.names import REPLICA
from hcs_operator.status.facts import Facts, Verdict, unknown, yes


def judge(facts: Facts) -> Verdict:
    """Judge by the database's own plan."""
    if facts.plan is None:
        return unknown("NotLookedAt", "The database has not been looked at yet")
    behind, readers = facts.plan.replication, facts.components[REPLICA]
    if behind is not None:
        return facts.not_yet(conditions.REPLICATION, behind.word, behind.message)
    if readers.wanted is None and not facts.snapshot.of(REPLICA):
        why = readers.waiting.message if readers.waiting else "the read replicas are being made"
        return facts.not_yet(conditions.REPLICATION, "NotStarted", f"There is no read replica yet: {why}")
    if readers.wanted == 0:
        return yes("NoReaders", "No read replica is wanted; reads that miss the cache go to the primary")
    wanted = len(facts.snapshot.of(REPLICA)) if readers.wanted is None else readers.wanted
    if facts.plan.readers_ready < wanted:
        told = f"{facts.plan.readers_ready} of {wanted} read replicas take reads"
        return facts.not_yet(conditions.REPLICATION, "ReadersBehind", told)
    return yes("ReadersFresh", "Every read replica is fresh enough to be read")
