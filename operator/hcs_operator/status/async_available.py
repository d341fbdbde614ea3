"""Tasks are accepted: at least one pod has just proved it by doing it (`/selftest`)."""

from hcs_operator.api import conditions
from hcs_operator.api.names import ASYNC_API
from hcs_operator.status.facts import Facts, Verdict
from hcs_operator.status.selftests import judged


def judge(facts: Facts) -> Verdict:
    """Judge by the pods' own tests."""
    return judged(facts, ASYNC_API, conditions.ASYNC, "Tasks are accepted")
