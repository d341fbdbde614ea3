"""Who owns a count: the spec, the autoscaler through `/scale`, or a scaler of somebody else's."""

from typing import Any

import pytest
from tests.unit.build.stacks import IMAGES, stack
from tests.unit.status.seen import pod

from hcs_operator.api.observed import Child, Inflight, Reason, Snapshot
from hcs_operator.build import Context, desired
from hcs_operator.decide.scaling import busy_workers, counts

pytestmark = pytest.mark.unit


def replicas(seen: Snapshot, spec: dict[str, object], name: str) -> int | None:
    context = Context(images=IMAGES, replicas=counts(stack(spec), seen, 0))
    found = {item.document["metadata"]["name"]: item.document for item in desired(stack(spec), context)}
    count: int | None = found[name]["spec"].get("replicas")
    return count


@pytest.mark.parametrize(
    ("tier", "field"),
    [("gateway", "gateway"), ("write-api", "writeApi"), ("async-api", "asyncApi"), ("read-api", "readApi")],
)
def test_a_count_that_another_scaler_decides_is_left_to_it(tier: str, field: str) -> None:
    seen, name = Snapshot("shop", "shop", 0.0, {}), f"shop-{tier}"
    targeted = Snapshot(
        "shop", "shop", 0.0, {}, outside_scalers={Child("Deployment", name): "HorizontalPodAutoscaler x"}
    )
    assert replicas(seen, {field: {"replicas": 3}}, name) == 3
    assert replicas(targeted, {field: {"replicas": 3}}, name) is None


def test_an_engine_of_one_pod_keeps_its_count_whoever_scales() -> None:
    targeted = Snapshot("shop", "shop", 0.0, {}, outside_scalers={Child("StatefulSet", "shop-cache"): "a scaler"})
    assert replicas(targeted, {}, "shop-cache") == 1


@pytest.mark.parametrize(
    ("changes", "tasks", "busy"),
    [
        ({"ready": True}, 1, True),
        ({"ready": True}, 0, False),
        ({"ready": True}, None, True),
        ({"ready": False}, 1, True),
        ({"ready": False}, 0, False),
        ({"ready": False}, None, True),
        ({"ready": False, "ip": ""}, None, False),
        ({"ready": False, "problem": Reason("CrashLoopBackOff", "it crashes")}, None, False),
        ({"ready": True, "deleting": True}, 1, False),
    ],
)
def test_a_worker_is_busy_when_it_says_so_or_runs_and_says_nothing(
    changes: dict[str, Any], tasks: int | None, busy: bool
) -> None:
    worker = pod("worker", **changes)
    said = {} if tasks is None else {worker.name: Inflight(worker.name, tasks, 0.0, draining=False)}
    seen = Snapshot("shop", "shop", 0.0, {}, pods=(worker,), inflight=said)
    assert busy_workers(seen) == ((worker,) if busy else ())
