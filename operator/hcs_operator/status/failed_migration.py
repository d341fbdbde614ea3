"""A schema migration that has used up its tries: it stays for a minute to be seen, and is then made anew."""

from collections.abc import Iterator

from hcs_operator.api.observed import Reason
from hcs_operator.decide.pruning import AGAIN_SECONDS, failure
from hcs_operator.status.facts import Facts


def failed(facts: Facts) -> Iterator[Reason]:
    """Say which Job gave up and why. Its pods are gone by then: what they said was told while they failed."""
    for child, job in facts.snapshot.live.items():
        ended = failure(job) if child.kind == "Job" else None
        if ended is not None:
            why = str(ended.get("message") or ended.get("reason") or "it does not say why").rstrip(".")
            yield Reason(
                "MigrationFailed",
                f"the schema migration {child.name} gave up ({why}); it is made anew after {AGAIN_SECONDS:.0f} s, "
                f"or at once after `kubectl delete job {child.name}`",
            )
