"""A stack that is well, and ways to break one thing in it."""

from dataclasses import replace
from typing import Any

from hcs_operator.api.names import COMPONENTS, STATEFUL, Names
from hcs_operator.api.observed import (
    CacheState,
    Child,
    Gate,
    Outlook,
    PodView,
    QueueFigures,
    Reason,
    Recommendation,
    Scaling,
    Selftest,
    Snapshot,
)
from hcs_operator.api.spec import Stack, StackSpec
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.status.facts import Facts, Verdict
from hcs_operator.status.render import judged

NOW = 1_800_000_000.0
SINGLE = Reason("SingleMember", "One member is online.")
STEADY = Recommendation(1, Reason("Steady", "holds 1: nothing to do"), None, None)


def stack(spec: dict[str, Any] | None = None) -> Stack:
    return Stack("shop", "shop", "uid-1", 3, StackSpec.model_validate(spec or {}))


def pod(component: str, problem: Reason | None = None, *, ready: bool = True, **changes: Any) -> PodView:
    view = PodView(
        f"shop-{component}-x",
        "u",
        component,
        "10.0.0.1",
        "n1",
        ready,
        False,
        NOW - 600,
        NOW - 500,
        f"hcs/{component}:1",
        {},
        {},
        problem,
    )
    return replace(view, **changes)


def workload(wanted: int = 1, **status: int) -> dict[str, Any]:
    seen = {"observedGeneration": 1, "replicas": wanted, "updatedReplicas": wanted, **status}
    return {"metadata": {"generation": 1}, "spec": {"replicas": wanted, "template": {"metadata": {}}}, "status": seen}


def child(component: str) -> Child:
    return Child("StatefulSet" if component in STATEFUL else "Deployment", Names("shop").of(component))


def passed(component: str, pod: str = "x", **data: float) -> Selftest:
    return Selftest(f"shop-{component}-{pod}", ok=True, reason=Reason("Ok", "it works"), data=data)


def failed(component: str, word: str = "NoPrimary", message: str = "no primary answers") -> Selftest:
    return Selftest(f"shop-{component}-x", ok=False, reason=Reason(word, message))


def snapshot(**changes: Any) -> Snapshot:
    well: dict[str, Any] = {
        "live": {child(name): workload() for name in COMPONENTS},
        "pods": tuple(pod(name) for name in COMPONENTS),
        "selftests": {name: (passed(name),) for name in ("write-api", "async-api", "read-api")},
        "queue": QueueFigures(0, 0, 10, 10, NOW),
        "cache": CacheState(10, 100.0, 1000),
    }
    return Snapshot("shop", "shop", NOW, **{**well, **changes})


def outlook(seen: Snapshot | None = None, **changes: Any) -> Outlook:
    well: dict[str, Any] = {
        "previous": {},
        "generation": 3,
        "images": {"services": "hcs/services:1"},
        "gate": Gate(frozenset(), {}),
        "database": DatabasePlan(primary_ready=True, readers_ready=1, durability=SINGLE, status={"bootstrapped": True}),
        "workers": Scaling(1, STEADY),
        "readers": Scaling(1, STEADY),
    }
    return Outlook(seen or snapshot(), **{**well, **changes})


def without(component: str) -> tuple[PodView, ...]:
    """All pods but those of one component."""
    return tuple(pod(name) for name in COMPONENTS if name != component)


def verdicts(look: Outlook | None = None, spec: dict[str, Any] | None = None) -> dict[str, Verdict]:
    return judged(Facts(stack(spec), look or outlook()))
