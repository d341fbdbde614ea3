"""Whether something stands in the way that does not pass by itself, and what to do about it (kstatus)."""

from collections.abc import Iterator

from hcs_operator.api.observed import Reason
from hcs_operator.status.broken_pods import hopeless
from hcs_operator.status.facts import Facts, Verdict, no, yes
from hcs_operator.status.failed_migration import failed
from hcs_operator.status.made_secrets import unusable
from hcs_operator.status.uncreated import uncreated
from hcs_operator.status.user_secrets import lacking


def judge(facts: Facts) -> Verdict:
    """Tell the first obstacle in full, and how many more there are."""
    found = list(dict.fromkeys(_obstacles(facts)))
    if not found:
        return no("Progressing", "Nothing stands in the way")
    more = f" ({len(found) - 1} more: {', '.join(reason.word for reason in found[1:])})" if len(found) > 1 else ""
    return yes(found[0].word, f"{found[0].message.rstrip('.')}{more}")


def _obstacles(facts: Facts) -> Iterator[Reason]:
    yield from lacking(facts)
    yield from unusable(facts)
    yield from facts.outlook.problems
    if facts.plan is not None and facts.plan.problem is not None:
        yield facts.plan.problem
    yield from failed(facts)
    yield from hopeless(facts)
    yield from uncreated(facts)
