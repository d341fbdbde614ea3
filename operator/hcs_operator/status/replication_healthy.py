"""Whether every read replica follows the primary closely enough to be read."""

from hcs_operator.api.names import REPLICA
from hcs_operator.status.facts import Facts, Verdict, no, unknown, yes


def judge(facts: Facts) -> Verdict:
    """Judge by the database's own plan."""
    if facts.plan is None:
        return unknown("NotLookedAt", "The database has not been looked at yet")
    if facts.plan.replication is not None:
        return no(facts.plan.replication.word, facts.plan.replication.message)
    readers = facts.components[REPLICA]
    if readers.wanted is None:
        why = readers.waiting.message if readers.waiting else "the read replicas are being made"
        return no("NotStarted", f"There is no read replica yet: {why}")
    if readers.wanted == 0:
        return yes("NoReaders", "No read replica is wanted; reads that miss the cache go to the primary")
    if facts.plan.readers_ready < readers.wanted:
        return no("ReadersBehind", f"{facts.plan.readers_ready} of {readers.wanted} read replicas take reads")
    return yes("ReadersFresh", "Every read replica is fresh enough to be read")
