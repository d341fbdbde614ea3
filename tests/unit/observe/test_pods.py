"""A pod's trouble is told in the kubelet's or the scheduler's own words."""

from typing import Any

import pytest

from hcs_operator.observe.pods import pod_view

pytestmark = pytest.mark.unit


def pod(**status: Any) -> dict[str, Any]:
    metadata = {"name": "shop-gateway-1", "labels": {"app.kubernetes.io/component": "gateway"}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "gateway", "image": "a:1"}]}, "status": status}


def container(state: dict[str, Any], restarts: int = 0, **last: Any) -> dict[str, Any]:
    return {
        "name": "gateway",
        "state": state,
        "restartCount": restarts,
        "lastState": {"terminated": last} if last else {},
    }


READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}


def test_a_running_pod_that_is_ready_has_no_problem() -> None:
    view = pod_view(
        pod(phase="Running", podIP="10.0.0.1", conditions=[READY], containerStatuses=[container({"running": {}})])
    )
    assert (view.ready, view.ip, view.component, view.problem) == (True, "10.0.0.1", "gateway", None)
    assert view.ready_at == 1767225600.0


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_a_pod_of_which_no_container_runs_has_no_address(phase: str) -> None:
    assert pod_view(pod(phase=phase, podIP="10.0.0.1")).ip == ""


def test_a_pod_that_is_being_made_has_no_problem() -> None:
    waiting = container({"waiting": {"reason": "ContainerCreating"}})
    assert pod_view(pod(phase="Pending", containerStatuses=[waiting])).problem is None


def test_a_wrong_image_is_told_with_the_kubelets_message() -> None:
    waiting = container({"waiting": {"reason": "ImagePullBackOff", "message": "no such image wrong:1"}})
    problem = pod_view(pod(phase="Pending", containerStatuses=[waiting])).problem
    assert problem is not None
    assert problem.word == "ImagePullBackOff"
    assert "no such image wrong:1" in problem.message


def test_a_crash_loop_is_told_with_the_last_words_of_the_container() -> None:
    waiting = container({"waiting": {"reason": "CrashLoopBackOff"}}, 3, exitCode=2, message="log\nbad setting X")
    problem = pod_view(pod(phase="Running", containerStatuses=[waiting])).problem
    assert problem is not None
    assert problem.message.endswith("bad setting X")


def test_a_pod_without_a_node_is_told_in_the_schedulers_words() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes fit"}
    problem = pod_view(pod(phase="Pending", conditions=[unscheduled])).problem
    assert problem is not None
    assert "0/3 nodes fit" in problem.message


def test_a_fresh_pod_without_any_status_can_be_viewed() -> None:
    view = pod_view({"metadata": {"name": "a"}})
    assert (view.ready, view.ip, view.problem) == (False, "", None)
