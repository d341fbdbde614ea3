"""What a tier's own tests say of it: each of its pods does for itself, each few seconds, what users ask it to do."""

from hcs_operator.status.facts import Facts, Verdict, no, yes


def judged(facts: Facts, component: str, condition: str, what: str) -> Verdict:
    """Return True when one ready pod's test passed. `what` is what works then, as a clause."""
    tests = facts.snapshot.selftests.get(component, ())
    if any(test.ok for test in tests):
        failed = next((test for test in tests if not test.ok), None)
        return yes("SelftestPassed", f"{what}; but {failed.pod}: {failed.reason.message}" if failed else what)
    if tests:
        return no(tests[0].reason.word, f"{component} fails its own test: {tests[0].reason.message}")
    found = facts.components[component]
    if found.problem is not None:
        return no(found.problem[1].word, f"{component}: {found.problem[1].message}")
    if found.wanted is None and found.waiting is not None:
        return facts.not_yet(condition, found.waiting.word, f"{component} is not started: {found.waiting.message}")
    if found.wanted is None:
        return facts.not_yet(condition, "NotStarted", f"{component} is being made")
    return facts.not_yet(condition, "NoReadyPod", f"{component} has no ready pod ({found.pods})")
