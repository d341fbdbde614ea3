"""A pod's trouble is told in the kubelet's or the scheduler's own words."""

from typing import Any

import pytest

from hcs_operator.api.names import Names
from hcs_operator.observe.pods import made_by, pod_view

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


SECRET = {"name": "cache", "secret": {"secretName": "shop-cache"}}
PROJECTED = {
    "name": "database",
    "projected": {"sources": [{"secret": {"name": "shop-database"}}, {"configMap": {"name": "shop-ca"}}]},
}


def mounting(phase: str) -> dict[str, Any]:
    found = pod(phase=phase)
    return {**found, "spec": {**found["spec"], "volumes": [SECRET, PROJECTED, {"name": "tmp", "emptyDir": {}}]}}


def test_a_pod_names_the_secrets_that_it_mounts_alone_or_projected() -> None:
    assert pod_view(mounting("Running")).secrets == {"shop-cache", "shop-database"}


def test_a_pod_that_has_ended_mounts_nothing() -> None:
    assert pod_view(mounting("Succeeded")).secrets == set()


def labelled(component: str, pod_name: str, kind: str = "", owner: str = "") -> dict[str, Any]:
    owners = [{"kind": kind, "name": owner, "controller": True}] if kind else []
    labels = {"app.kubernetes.io/component": component}
    return {"metadata": {"name": pod_name, "labels": labels, "ownerReferences": owners}}


@pytest.mark.parametrize(
    "own",
    [
        labelled("db", "shop-db-0-0", "StatefulSet", "shop-db-0"),
        labelled("cache", "shop-cache-0", "StatefulSet", "shop-cache"),
        labelled("db", "shop-db-0-0"),  # its StatefulSet is being made anew, and will take it over
        labelled("write-api", "shop-write-api-5d8f7c9b6d-x7k2p", "ReplicaSet", "shop-write-api-5d8f7c9b6d"),
        labelled("migrate", "shop-migrate-1a2b3c4d-x7k2p", "Job", "shop-migrate-1a2b3c4d"),
    ],
)
def test_a_pod_of_the_stacks_own_workload_counts(own: dict[str, Any]) -> None:
    assert made_by(Names("shop"), own)


@pytest.mark.parametrize(
    "stray",
    [
        labelled("db", "dbg"),
        labelled("db", "shop-db-0-0-debug"),
        labelled("db", "mine-0", "StatefulSet", "mine"),
        labelled("db", "shop-db-0-0", "ReplicaSet", "shop-db-0"),
        labelled("write-api", "dbg"),
        labelled("write-api", "dbg", "ReplicaSet", "debug-5d8f7c9b6d"),
        labelled("migrate", "mine-1-x7k2p", "Job", "mine-1"),
        labelled("mine", "shop-mine-0", "StatefulSet", "shop-mine"),
        labelled("", "dbg"),
    ],
)
def test_a_pod_that_only_carries_the_labels_does_not_count(stray: dict[str, Any]) -> None:
    assert not made_by(Names("shop"), stray)
