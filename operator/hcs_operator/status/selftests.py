"""What a tier's own tests say of it: each of its pods does for itself, each few seconds, what users ask it to do."""

from hcs_operator.status.facts import Facts, Verdict, no, yes


def judged(facts: Facts, component: str, what: str) -> Verdict:
    """Return True when one ready pod's test passed. `what` is what works then, as a clause."""
    tests = facts.snapshot.selftests.get(component, ())
    passed = [test for test in tests if test.ok]
    if passed:
        failed = next((test for test in tests if not test.ok), None)
        but = f"; not by {failed.pod}: {failed.reason.message}" if failed else ""
        return yes("SelftestPassed", f"{what}{but}")
    if tests:
        worst = tests[0]
        return no(worst.reason.word, f"{worst.pod} fails its own test: {worst.reason.message}")
    found = facts.components[component]
    if found.problem is not None:
        return no(found.problem[1].word, f"{component}: {found.problem[1].message}")
    if found.wanted is None:
        waiting = found.waiting or facts.waiting
        return no(waiting.word, f"{component} is not started: {waiting.message}") if waiting else _absent(component)
    return no("NoReadyPod", f"{component} has no ready pod ({found.pods}): wait, or read its pods' events and logs")


def _absent(component: str) -> Verdict:
    return no("NotStarted", f"{component} does not exist yet")
