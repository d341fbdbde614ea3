"""Tiers open in order, by what they need being ready; what exists is never closed again."""

from typing import Any

import pytest

from hcs_operator.api.observed import Child, Gate, PodView, Reason, Snapshot
from hcs_operator.decide.startup import Engines, behind, gate

pytestmark = pytest.mark.unit

JOB = Child("Job", "shop-migrate-1")
TIERS = {
    "FOUNDATION": [Child("ServiceAccount", "shop")],
    "ENGINES": [Child("StatefulSet", "shop-cache")],
    "SCHEMA": [JOB],
    "READERS": [Child("StatefulSet", "shop-replica-0")],
    "SERVICES": [Child("Deployment", "shop-write-api")],
    "GATEWAY": [Child("Deployment", "shop-gateway")],
}
DONE = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
UP = Engines(primary_ready=True)
ALL_UP = ("cache", "queue", "write-api", "async-api", "read-api")


def pod(component: str, problem: Reason | None = None, *, ready: bool = True) -> PodView:
    return PodView(component, "u", component, "10.0.0.1", "n", ready, False, 0.0, 0.0, "i", {}, {}, problem)


def judged(engines: Engines, live: dict[Child, Any], *pods: PodView) -> Gate:
    return gate(Snapshot("shop", "shop", 0.0, live, pods=pods), engines, TIERS)


def test_at_first_only_the_foundation_and_the_engines() -> None:
    assert judged(Engines(primary_ready=False), {}).open == {"FOUNDATION", "ENGINES"}


def test_the_migration_waits_for_a_primary() -> None:
    assert judged(Engines(primary_ready=False), {}).waiting["SCHEMA"].word == "WaitingForDatabase"
    assert "SCHEMA" in judged(UP, {}).open


def test_readers_and_services_wait_for_the_migration() -> None:
    waiting = judged(UP, {JOB: {}}, *map(pod, ALL_UP)).waiting
    assert {waiting[tier].word for tier in ("READERS", "SERVICES")} == {"WaitingForMigration"}


def test_a_migration_that_cannot_run_says_why() -> None:
    broken = pod("migrate", Reason("ImagePullBackOff", "container migrate is in ImagePullBackOff"), ready=False)
    assert "ImagePullBackOff" in judged(UP, {JOB: {}}, broken).waiting["SERVICES"].message


def test_services_wait_for_cache_and_queue() -> None:
    found = judged(UP, {JOB: DONE}, pod("cache"))
    assert found.waiting["SERVICES"] == Reason("WaitingForQueue", "no pod is ready of: queue")
    assert "READERS" in found.open


def test_services_wait_for_a_majority_of_the_queue() -> None:
    live: dict[Child, Any] = {JOB: DONE, Child("StatefulSet", "shop-queue"): {"spec": {"replicas": 3}}}
    one = judged(UP, live, pod("cache"), pod("queue"))
    assert one.waiting["SERVICES"].word == "WaitingForQueue"
    assert "1 of 3" in one.waiting["SERVICES"].message
    assert "SERVICES" in judged(UP, live, pod("cache"), pod("queue"), pod("queue")).open


def test_the_gateway_waits_for_every_upstream() -> None:
    found = judged(UP, {JOB: DONE}, *map(pod, ("cache", "queue", "write-api", "read-api")))
    assert found.waiting == {"GATEWAY": Reason("WaitingForAsyncApi", "no pod is ready of: async-api")}


def test_everything_is_open_in_the_end() -> None:
    assert judged(UP, {JOB: DONE}, *map(pod, ALL_UP)).waiting == {}


def test_what_exists_is_not_closed_when_its_needs_fail() -> None:
    live = {JOB: DONE, TIERS["GATEWAY"][0]: {}, TIERS["SERVICES"][0]: {}, TIERS["READERS"][0]: {}}
    assert judged(Engines(primary_ready=False), live).open >= {"READERS", "SERVICES", "GATEWAY"}


def test_running_services_wait_for_a_new_migration() -> None:
    live: dict[Child, dict[str, Any]] = {TIERS["SERVICES"][0]: {}, TIERS["GATEWAY"][0]: {}}
    found = judged(UP, live, *map(pod, ALL_UP))
    assert set(found.waiting) == {"READERS", "SERVICES"}


DOOR, API = TIERS["GATEWAY"][0], TIERS["SERVICES"][0]


def deployment(child: Child, image: str, **status: int) -> dict[str, Any]:
    """A Deployment of one container, of generation 2; one that somebody added stands beside it."""
    containers = [{"name": "added", "image": "mesh:1"}, {"name": "own", "image": image}]
    metadata = {"name": child.name, "generation": 2}
    return {"kind": child.kind, "metadata": metadata, "spec": {"template": {"spec": {"containers": containers}}}} | (
        {"status": status} if status else {}
    )


def wanted(child: Child, image: str) -> dict[str, Any]:
    document = deployment(child, image)
    del document["spec"]["template"]["spec"]["containers"][0]
    return document


ROLLED = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2}


def upgraded(api: dict[str, Any] | None, *, door: str = "hcs:1", job: Any = DONE) -> Gate:
    """The gate before a running gateway of image `door`, when hcs:2 is wanted of gateway and services."""
    live = {JOB: job, DOOR: deployment(DOOR, door), **({} if api is None else {API: api})}
    seen = Snapshot("shop", "shop", 0.0, live, pods=tuple(map(pod, ALL_UP)))
    return gate(seen, UP, TIERS, behind(seen, [wanted(DOOR, "hcs:2"), wanted(API, "hcs:2")]))


def test_a_gateway_waits_for_the_migration_of_its_new_image() -> None:
    found = upgraded(deployment(API, "hcs:1", **ROLLED), job={})
    assert {found.waiting[tier].word for tier in ("SERVICES", "GATEWAY")} == {"WaitingForMigration"}


@pytest.mark.parametrize(
    "api",
    [
        deployment(API, "hcs:1", **ROLLED),
        deployment(API, "hcs:2", **{**ROLLED, "observedGeneration": 1}),
        deployment(API, "hcs:2", **{**ROLLED, "updatedReplicas": 1}),
        None,
    ],
    ids=["not yet given the image", "not yet seen by its controller", "half rolled", "gone"],
)
def test_a_gateway_gets_its_new_image_after_the_services(api: dict[str, Any] | None) -> None:
    told = Reason("WaitingForWriteApi", "the gateway gets its new image after: write-api")
    assert upgraded(api).waiting == {"GATEWAY": told}


def test_a_gateway_gets_its_new_image_once_the_services_have_theirs() -> None:
    assert upgraded(deployment(API, "hcs:2", **ROLLED)).waiting == {}


def test_a_gateway_that_keeps_its_image_waits_for_no_upgrade() -> None:
    found = upgraded(deployment(API, "hcs:1", **ROLLED), door="hcs:2", job={})
    assert "GATEWAY" in found.open
