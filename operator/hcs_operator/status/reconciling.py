"""Whether something is on its way to what the spec says (kstatus: True while in progress)."""

from collections.abc import Iterator

from hcs_operator.api.observed import Reason
from hcs_operator.status.facts import Facts, Verdict, no, yes
from hcs_operator.status.volumes import unfinished


def judge(facts: Facts) -> Verdict:
    """Judge by what is held up, the gate, the components, and what was changed in this look."""
    if facts.stack.spec.paused:
        return no("Paused", "Nothing is changed while the stack is paused")
    if facts.outlook.held:
        return yes("WaitingForBudget", "; ".join(facts.outlook.held))
    waiting = _earlier(facts) or facts.waiting
    if waiting is not None:
        return yes(waiting.word, f"{'Starting' if facts.starting else 'Waiting'}: {waiting.message}")
    unsettled = [found for found in facts.components.values() if not found.settled]
    if unsettled:
        told = "; ".join(f"{found.name} {found.pods}: {found.state}" for found in unsettled)
        return yes("Progressing", told)
    moving = next(_moving(facts), None)
    return moving or no("Settled", "Everything is as the spec says")


def _moving(facts: Facts) -> Iterator[Verdict]:
    """Tell what is on its way although every component is as it should be."""
    journal = facts.plan.journal if facts.plan else None
    if journal:
        yield yes(str(journal["operation"]), f"{journal['operation']} of {journal['instance']}: {journal['step']}")
    for told in unfinished(facts):
        yield yes("VolumeGrowing", told)
    if facts.outlook.changing:
        more = len(facts.outlook.changing) - 1
        yield yes("Applying", facts.outlook.changing[0] + (f", and {more} more" if more else ""))


def _earlier(facts: Facts) -> Reason | None:
    left = min(facts.snapshot.earlier, default=None)
    if left is None:
        return None
    return Reason("WaitingForDeletion", f"{left.kind} {left.name} of a deleted stack of this name has yet to go")
