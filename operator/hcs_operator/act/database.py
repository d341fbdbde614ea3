"""Carries out one step of a database plan: in SQL through the port, or at the API server."""

from typing import Any

from hcs_operator.act import errant
from hcs_operator.decide.database.steps import Claim, Clone, CloseGroup, Export, Found, Recreate, Revive, Step
from hcs_operator.kube.errors import Conflict
from hcs_operator.kube.port import Kube, Ref
from hcs_operator.kube.resources import API_VERSION, STACK_KIND
from hcs_operator.mysql.port import DatabasePort

CLAIMS = "hcs-operator-claim"
"""Field manager of the bootstrap claim: apart from the status' manager, so that no rendered status can drop it."""


async def execute(step: Step, port: DatabasePort, kube: Kube) -> None:
    """Carry out one step; raises `kube.errors.KubeError` or `mysql.errors.DatabaseError`. Safe to repeat."""
    match step:
        case Claim():
            await _claim(step, kube)
        case Recreate(ready=True):
            await kube.evict(Ref("Pod", step.namespace, step.pod), step.uid)
        case Recreate():
            await kube.delete(Ref("Pod", step.namespace, step.pod), step.uid)
        case Export():
            await errant.export(step, port, kube)
        case Clone(export=Export() as export):
            if await errant.export(export, port, kube):
                await port.perform(step)  # else it was exported just now: the next look sees whether that is all
        case Found() | Revive() | CloseGroup():
            await _still_claimed(step, kube)
            await port.perform(step)
        case _:
            await port.perform(step)


async def _claim(step: Claim, kube: Kube) -> None:
    """Compare and swap: of two operators that both think they lead, one gets Conflict and looks again."""
    stack = await _stack(step, kube)
    claimed = _database_status(stack).get("claim")
    if claimed == step.written:
        return
    if claimed != step.before:
        raise Conflict(f"the database of {step.stack} was claimed meanwhile: {claimed}")
    metadata = {
        "name": step.stack,
        "namespace": step.namespace,
        "resourceVersion": stack["metadata"]["resourceVersion"],
    }
    loss = step.loss or _database_status(stack).get("dataLoss")
    status = {"database": {"claim": step.written, **({"dataLoss": loss} if loss else {})}}
    document = {"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": metadata, "status": status}
    await kube.apply(document, manager=CLAIMS, force=True, subresource="status")


async def _still_claimed(step: Found | Revive | CloseGroup, kube: Kube) -> None:
    """Look once more, right before the SQL: a step from an old look must not act on what was claimed anew since."""
    claim = step.claim
    status = _database_status(await _stack(claim, kube))
    founded_since = isinstance(step, Found) and status.get("bootstrapped")
    if status.get("claim") != claim.written or founded_since:
        raise Conflict(f"the database of {claim.stack} is no longer {claim.seed}'s to bear")


async def _stack(claim: Claim, kube: Kube) -> dict[str, Any]:
    stack = await kube.get(Ref(STACK_KIND, claim.namespace, claim.stack))
    if stack is None or stack["metadata"]["uid"] != claim.uid:
        raise Conflict(f"the stack {claim.stack} was deleted or made anew meanwhile")
    return stack


def _database_status(stack: dict[str, Any]) -> dict[str, Any]:
    return (stack.get("status") or {}).get("database") or {}
