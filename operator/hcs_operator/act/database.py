"""Carries out one step of a database plan: in SQL through the port, or at the API server."""

from typing import assert_never

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
        case Found() | Clone() | Follow() | Resume() | Quiesce() | Close():
            await port.perform(step)
        case _:
            assert_never(step)


async def _claim(step: Claim, kube: Kube) -> None:
    """Compare and swap: of two operators that both think they lead, one gets Conflict and looks again."""
    stack = await kube.get(Ref(STACK_KIND, step.namespace, step.stack))
    if stack is None or stack["metadata"]["uid"] != step.uid:
        raise Conflict(f"the stack {step.stack} was deleted or made anew meanwhile")
    wanted = {"seed": step.seed, "epoch": step.epoch, "groupName": step.group_name}
    claimed = ((stack.get("status") or {}).get("database") or {}).get("claim")
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
