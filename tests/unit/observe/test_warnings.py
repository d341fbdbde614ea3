"""Why pods are not made or not started is read from events, rarely, and only the last word counts."""

from typing import Any

import pytest

from hcs_operator.api.observed import Reason
from hcs_operator.kube.errors import Refused
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Listing
from hcs_operator.observe.pods import pod_view
from hcs_operator.observe.warnings import ASKED_AGAIN, UNMADE_SECONDS, UNSTARTED_SECONDS, Warnings, unmade, unstarted

pytestmark = pytest.mark.unit
BORN = 1_767_225_600.0  # 2026-01-01T00:00:00Z
METADATA = {"name": "a", "namespace": "shop", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
ABOUT = [{"metadata": METADATA}]


class Asked(Cluster):
    """Counts the lists, and refuses them when told to."""

    lists = 0
    refuses = False

    async def list(self, kind: str, namespace: str = "", selector: str = "", *, fields: str = "") -> Listing:
        self.lists += 1
        if self.refuses:
            raise Refused("events is forbidden")
        return await super().list(kind, namespace, selector, fields=fields)

    def event(self, name: str, kind: str, reason: str, message: str, uid: str = "u") -> None:
        metadata = {"name": name, "namespace": "shop"}
        event = {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": {"uid": uid}}
        self.put({**event, "type": kind, "reason": reason, "message": message})


async def test_the_newest_warning_is_told() -> None:
    cluster = Asked()
    cluster.event("1", "Normal", "Scheduled", "assigned")
    cluster.event("2", "Warning", "FailedMount", 'secret "x" not found\nand more')
    cluster.event("3", "Warning", "FailedMount", "another pod's", uid="v")
    assert await Warnings(cluster).about(ABOUT, BORN) == {"u": Reason("FailedMount", 'secret "x" not found')}


async def test_a_warning_that_was_followed_by_success_is_over() -> None:
    cluster = Asked()
    cluster.event("1", "Warning", "FailedCreate", "exceeded quota")
    cluster.event("2", "Normal", "SuccessfulCreate", "created")
    assert await Warnings(cluster).about(ABOUT, BORN) == {}


async def test_a_write_that_met_another_one_is_nobodys_problem() -> None:
    cluster = Asked()
    cluster.event(
        "1", "Warning", "FailedUpdate", "Operation cannot be fulfilled: the object has been modified; try again"
    )
    assert await Warnings(cluster).about(ABOUT, BORN) == {}


async def test_events_are_not_asked_for_at_each_look_nor_about_what_does_not_wait() -> None:
    cluster = Asked()
    warnings = Warnings(cluster)
    await warnings.about([], BORN)
    assert cluster.lists == 0
    for second in range(5):
        await warnings.about(ABOUT, BORN + second)
    assert cluster.lists == 1
    await warnings.about(ABOUT, BORN + ASKED_AGAIN)
    assert cluster.lists == 2


async def test_without_the_right_to_read_events_only_the_words_are_missed() -> None:
    cluster = Asked()
    cluster.refuses = True
    assert await Warnings(cluster).about(ABOUT, BORN) == {}


def stateful(**status: Any) -> dict[str, Any]:
    return {"kind": "StatefulSet", "metadata": METADATA, "spec": {"replicas": 2}, "status": status}


def test_a_statefulset_with_fewer_pods_than_wanted_waits_after_a_moment() -> None:
    late = BORN + UNMADE_SECONDS
    assert unmade(stateful(replicas=1), late)
    assert unmade(stateful(), late)
    assert not unmade(stateful(replicas=2), late)
    assert not unmade(stateful(), late - 1)


def test_a_job_waits_until_it_has_had_a_pod() -> None:
    job = {"kind": "Job", "metadata": METADATA, "spec": {}}
    assert unmade(job, BORN + UNMADE_SECONDS)
    for status in ({"active": 1}, {"failed": 1}, {"conditions": [{"type": "Failed", "status": "True"}]}):
        assert not unmade({**job, "status": status}, BORN + UNMADE_SECONDS)
    assert not unmade({**job, "kind": "Service"}, BORN + UNMADE_SECONDS)


def pod(state: dict[str, Any], phase: str = "Pending", node: str = "n1") -> dict[str, Any]:
    status = {"phase": phase, "containerStatuses": [{"name": "a", "state": state}]}
    return {"metadata": METADATA, "spec": {"nodeName": node}, "status": status}


def test_a_pod_waits_while_it_has_a_node_and_no_started_container() -> None:
    late, creating = BORN + UNSTARTED_SECONDS, {"waiting": {"reason": "ContainerCreating"}}
    assert unstarted(pod(creating), late)
    assert not unstarted(pod(creating), late - 1)
    assert not unstarted(pod({"running": {}}), late)
    assert not unstarted(pod(creating, node=""), late)
    assert not unstarted(pod({"running": {}}, phase="Running"), late)


def test_what_holds_a_pod_up_is_its_problem() -> None:
    held = pod_view(pod({"waiting": {"reason": "ContainerCreating"}}), Reason("FailedMount", "no such volume"))
    assert held.problem == Reason("FailedMount", "pod a waits to be started: no such volume")
