"""Carries out one step of a database plan: in SQL through the port, or at the API server."""

from typing import Any, assert_never

from hcs_operator.decide.database.steps import Claim, Clone, Close, Follow, Found, Quiesce, Recreate, Resume, Step
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
        case Recreate():
            await kube.delete(Ref("Pod", step.namespace, step.pod), step.uid)
        case Found():
            await _still_claimed(step.claim, kube)
            await port.perform(step)
        case Clone() | Follow() | Resume() | Quiesce() | Close():
            await port.perform(step)
        case _:
            assert_never(step)


async def _claim(step: Claim, kube: Kube) -> None:
    """Compare and swap: of two operators that both think they lead, one gets Conflict and looks again."""
    stack = await _stack(step, kube)
    wanted = _written(step)
    claimed = _database_status(stack).get("claim")
    if claimed == wanted:
        return
    if claimed and claimed["epoch"] >= step.epoch:
        raise Conflict(f"the database of {step.stack} was claimed meanwhile by {claimed['seed']}")
    metadata = {
        "name": step.stack,
        "namespace": step.namespace,
        "resourceVersion": stack["metadata"]["resourceVersion"],
    }
    status = {"database": {"claim": wanted}}
    document = {"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": metadata, "status": status}
    await kube.apply(document, manager=CLAIMS, force=True, subresource="status")


async def _still_claimed(claim: Claim, kube: Kube) -> None:
    """Look once more, right before the SQL: a step from an old look must not found what was founded and lost since."""
    status = _database_status(await _stack(claim, kube))
    if status.get("claim") != _written(claim) or status.get("bootstrapped"):
        raise Conflict(f"the database of {claim.stack} is no longer to be founded by {claim.seed}")


async def _stack(claim: Claim, kube: Kube) -> dict[str, Any]:
    stack = await kube.get(Ref(STACK_KIND, claim.namespace, claim.stack))
    if stack is None or stack["metadata"]["uid"] != claim.uid:
        raise Conflict(f"the stack {claim.stack} was deleted or made anew meanwhile")
    return stack


def _database_status(stack: dict[str, Any]) -> dict[str, Any]:
    return (stack.get("status") or {}).get("database") or {}


def _written(claim: Claim) -> dict[str, Any]:
    return {"seed": claim.seed, "epoch": claim.epoch, "groupName": claim.group_name}
