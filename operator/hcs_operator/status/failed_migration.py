"""A schema migration that has used up its tries: nothing repeats it by itself."""

from collections.abc import Iterator

from hcs_operator.api.observed import Reason
from hcs_operator.status.facts import Facts


def failed(facts: Facts) -> Iterator[Reason]:
    """Say which Job gave up, where its reason is, and how it is tried again."""
    for child, job in facts.snapshot.live.items():
        conditions = (job.get("status") or {}).get("conditions") or () if child.kind == "Job" else ()
        if any(entry["type"] == "Failed" and entry["status"] == "True" for entry in conditions):
            yield Reason(
                "MigrationFailed",
                f"the schema migration {child.name} gave up: read `kubectl logs job/{child.name}`, "
                f"then `kubectl delete job {child.name}` to try it again",
            )
