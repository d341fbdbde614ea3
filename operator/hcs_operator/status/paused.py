"""Whether the user has asked that nothing be changed."""

from hcs_operator.status.facts import Facts, Verdict, no, yes


def judge(facts: Facts) -> Verdict:
    """Repeat the spec."""
    if facts.stack.spec.paused:
        return yes("Paused", "Nothing is changed, healed or scaled until spec.paused is false")
    return no("NotPaused", "The stack is looked after")
