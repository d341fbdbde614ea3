"""The volumes' sizes: how far the spec's are carried out, and which claims have yet to get what they ask for."""

from collections.abc import Iterator

from hcs_operator.api.names import DB, QUEUE, REPLICA
from hcs_operator.api.observed import Child
from hcs_operator.api.quantities import amount
from hcs_operator.api.volumes import requested, template_size
from hcs_operator.status.facts import Facts


def volumes(facts: Facts) -> dict[str, str]:
    """Return by engine the size below which the spec may not go: the template's, which grows last.

    Never more than the spec says: the resource's rule compares the two, and would refuse the status.
    """
    spec, before = facts.stack.spec, facts.outlook.previous.get("volumes") or {}
    engines = (
        ("database", DB, spec.database.storage.size),
        ("readReplicas", REPLICA, spec.read_replicas.storage.size),
        ("queue", QUEUE, spec.queue.storage.size),
    )
    found = {}
    for name, component, wanted in engines:
        workload = facts.snapshot.live.get(Child("StatefulSet", facts.stack.names.of(component)))
        size = template_size(workload) if workload is not None else before.get(name)
        if size is not None:
            found[name] = min(size, wanted, key=amount)
    return found


def unfinished(facts: Facts) -> Iterator[str]:
    """Say of each bound claim that is being expanded how far it is, in its storage driver's words if it has any."""
    for name, claim in facts.snapshot.claims.items():
        status, wanted = claim.get("status") or {}, requested(claim)
        has = (status.get("capacity") or {}).get("storage")
        if status.get("phase") == "Bound" and has is not None and amount(has) < amount(wanted):
            said = next((it["message"] for it in status.get("conditions") or () if it.get("message")), "")
            yield f"The volume of claim {name} grows from {has} to {wanted}" + (f": {said}" if said else "")
