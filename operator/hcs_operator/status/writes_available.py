"""Orders and products can be written: at least one pod has just proved it by doing it (`/selftest`)."""

from hcs_operator.api import conditions
from hcs_operator.api.names import WRITE_API
from hcs_operator.status.facts import Facts, Verdict, no
from hcs_operator.status.selftests import judged


def judge(facts: Facts) -> Verdict:
    """Judge by the pods' own tests; where they fail for want of a primary, say why there is none."""
    found = judged(facts, WRITE_API, conditions.WRITES, "Orders and products can be written")
    cause = facts.plan.waiting if facts.plan else None
    if found.status == "False" and cause is not None and facts.snapshot.selftests.get(WRITE_API):
        return no(cause.word, f"{cause.message.rstrip('.')} ({found.message.rstrip('.')})")
    return found
