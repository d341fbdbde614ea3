"""Orders and products can be read: at least one pod has just proved it by doing it (`/selftest`).

While no primary shows itself replicas serve what they have for a while, and the pods say of when that is.
"""

from typing import NamedTuple

from hcs_operator.api import conditions
from hcs_operator.api.names import READ_API
from hcs_operator.api.observed import Selftest
from hcs_operator.api.times import stamp
from hcs_operator.status.facts import Facts, Verdict, yes
from hcs_operator.status.selftests import judged

_LAST = 253_402_300_799.0
"""The end of the year 9999, beyond which no time can be written; a replaceable application may answer anything."""


class Frozen(NamedTuple):
    """Between which times (Unix seconds) replicas serve what they had at the first."""

    since: float
    until: float


def judge(facts: Facts) -> Verdict:
    """Judge by the pods' own tests, and tell where those that pass read what no primary vouches for."""
    found = judged(facts, READ_API, conditions.READS, "Orders and products can be read")
    passing = [test for test in facts.snapshot.selftests.get(READ_API, ()) if test.ok]
    frozen = {test.pod: it for test in passing if (it := _frozen(test))}
    if not frozen:
        return found
    since, until = (stamp(at) for at in min(frozen.values()))
    told = f"replicas serve what they had at {since}, when a primary was seen last, until {until}"
    if len(frozen) == len(passing):
        return yes("StaleReads", f"{found.message.rstrip('.')}; {told}")
    return yes(found.reason, f"{found.message.rstrip('.')}; at {', '.join(sorted(frozen))} {told}")


def _frozen(test: Selftest) -> Frozen | None:
    since, until = test.data.get("frozen_since"), test.data.get("frozen_until")
    if since is None or until is None or not 0 <= since <= until <= _LAST:
        return None
    return Frozen(since, until)
