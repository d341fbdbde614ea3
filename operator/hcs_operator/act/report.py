"""Ends a look: one apply of the status if it says something new, and the events for what has turned."""

from collections.abc import Iterable, Mapping
from typing import Any

from hcs_operator.act.carry_out import Done, Hands
from hcs_operator.act.events import Event, answered, emit, led, refused, saved, transitions
from hcs_operator.api.observed import Outlook, Reason
from hcs_operator.api.spec import SpecProblem, Stack
from hcs_operator.api.status import CLAIMED
from hcs_operator.decide.plan import Plan, Seen
from hcs_operator.kube.errors import Conflict, NotFound
from hcs_operator.kube.port import STATUS, Document
from hcs_operator.status.render import render, render_problem


async def report(hands: Hands, body: Document, stack: Stack, seen: Seen, plan: Plan, done: Done) -> bool:
    """Write what there is to say of this look; return whether the stack is at rest.

    Where somebody has written meanwhile the next look says it, the status' events included; what was done is told now.
    """
    outlook = Outlook(
        snapshot=seen.snapshot,
        previous=stack.status,
        generation=stack.generation,
        images=plan.images,
        gate=plan.gate,
        database=plan.database,
        workers=plan.workers,
        readers=plan.readers,
        paused=stack.spec.paused,
        mode=stack.spec.autoscaling.mode,
        changing=done.changed,
        problems=done.problems,
        held=done.held,
    )
    status = render(stack, outlook)
    written = await _written(hands, body, status)
    turned = (*told(plan), *transitions(body.get("status") or {}, status)) if written else ()
    await emit(hands.kube, body, (*done.events, *turned), seen.snapshot.now)
    reconciling = (entry["status"] for entry in status["conditions"] if entry["type"] == "Reconciling")
    return written and not done.changed and next(reconciling, "False") == "False"


def told(plan: Plan) -> Iterable[Event]:
    """Return the events of what the database did by itself since the last status."""
    if plan.database.change is not None:
        yield led(plan.database.change)
    if plan.database.refusal is not None:
        yield refused(plan.database.refusal)
    if plan.database.loss is not None:
        yield answered(plan.database.loss)
    yield from map(saved, plan.database.saved)


async def report_problem(hands: Hands, body: Document, problem: SpecProblem, now: float) -> None:
    """Say why a resource cannot be read; its children are left as they are."""
    reason = Reason("InvalidSpec", problem.message)
    previous = body.get("status") or {}
    status = render_problem(previous, int(body["metadata"].get("generation", 1)), reason, now)
    if await _written(hands, body, status):
        await emit(hands.kube, body, transitions(previous, status), now)


async def _written(hands: Hands, body: Document, status: Mapping[str, Any]) -> bool:
    """Apply the status if it differs, at the version that was looked at; return whether it stands.

    An operator that was frozen would otherwise write over what another one knows by now: that a group was founded.
    """
    if _claimless(body.get("status") or {}) != _claimless(status):
        metadata = {name: body["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion")}
        document = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": metadata, "status": status}
        try:
            hands.store.put(await hands.kube.apply(document, manager=STATUS, subresource="status"))
        except (NotFound, Conflict):
            return False
    return True


def _claimless(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status without the bootstrap claim and what goes with it, which have a field manager of their own."""
    database = {name: value for name, value in (status.get("database") or {}).items() if name not in CLAIMED}
    return {**status, "database": database}
