"""One thing is broken by hand; the stack says what and why in words, heals it where that is possible, and leaves the rest alone."""

from __future__ import annotations

import json
import re
import time

import pytest
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import condition, until
from tests.cluster.objects import Document

pytestmark = pytest.mark.cluster

HEAL_SECONDS = 30
EVENT_SECONDS = 5  # after the status, which is written right before
STILL_SECONDS = 5

Pods = dict[str, int]
"""Restarts of each container, by its pod's component, name and uid."""


@pytest.fixture
def settled(shop: Stack) -> Pods:
    """The sample stack's pods with nothing on its way any more: what an earlier test broke is whole, and old pods went."""
    shop.until_ready()
    shop.until_condition("Reconciling", "False", 180)

    def still() -> bool:
        before = _pods(shop)
        time.sleep(STILL_SECONDS)
        return before == _pods(shop)

    until(f"the same pods for {STILL_SECONDS} s", still, 120)
    return _pods(shop)


@pytest.mark.parametrize(
    ("kind", "suffix", "broken"),
    [
        ("Deployment", "write-api", "write-api"),
        ("Service", "gateway", ""),
        ("ConfigMap", "db-0", ""),
        ("PodDisruptionBudget", "gateway", ""),
    ],
)
def test_a_deleted_child_comes_back_and_status_and_an_event_say_so(
    kind: str, suffix: str, broken: str, shop: Stack, settled: Pods
) -> None:
    until("workers are at rest", lambda: not shop.kubectl.pods("shop", "worker"), 180)
    name = f"shop-{suffix}"
    before = shop.kubectl.get(kind, name)
    assert before, name
    known, since = _events(shop), _version(shop)
    shop.kubectl.delete(kind, name)

    def renewed() -> bool:
        now = shop.kubectl.get(kind, name)
        return now is not None and now["metadata"]["uid"] != before["metadata"]["uid"]

    until(f"{kind} {name} is there again", renewed, HEAL_SECONDS)
    until(f"an event names {kind} {name}", lambda: _healed(shop, known, kind, name), HEAL_SECONDS)
    told = _told(shop, since)
    assert any(f"{kind} {name}: new" in words or (broken and broken in words) for words in told), told
    shop.until_ready()
    _assert_undisturbed(shop, settled, broken)


def test_a_deleted_cache_pod_is_named_and_comes_back(shop: Stack, settled: Pods) -> None:
    shop.until_condition("CacheHealthy", "True", 60)
    known = _events(shop)
    shop.kubectl.delete("pod", "shop-cache-0", wait=False)
    unhealthy = shop.until_condition("CacheHealthy", "False", HEAL_SECONDS)
    assert "cache" in unhealthy["message"].lower()
    _until_warned(shop, known, unhealthy, "The cache")
    shop.until_condition("CacheHealthy", "True", 60)
    _assert_undisturbed(shop, settled, "cache")


def test_a_wrong_image_stalls_in_words_while_the_old_pods_serve(shop: Stack, settled: Pods) -> None:
    before = shop.resource()["spec"].get("writeApi", {}).get("image")
    known = _events(shop)
    shop.patch({"writeApi": {"image": "hcs/no-such-image:0"}})
    stalled = shop.until_condition("Stalled", "True", HEAL_SECONDS)
    assert "hcs/no-such-image:0" in stalled["message"], stalled
    assert "write-api" in stalled["message"], stalled
    _until_warned(shop, known, stalled, "hcs/no-such-image:0", "write-api")
    assert shop.condition("Ready")["status"] == "True", "the old pods still serve"
    shop.patch({"writeApi": {"image": before}})
    shop.until_condition("Stalled", "False", HEAL_SECONDS)
    shop.until_ready()
    _assert_undisturbed(shop, settled, "write-api")


def test_a_users_secret_that_is_missing_is_named_with_its_keys(shop: Stack, settled: Pods) -> None:
    email = shop.resource()["spec"]["workers"]["handlers"]["email"]
    known = _events(shop)
    shop.patch({"workers": {"handlers": {"email": {"secretRef": {"name": "not-there"}}}}})
    stalled = shop.until_condition("Stalled", "True", HEAL_SECONDS)
    assert "not-there" in stalled["message"], stalled
    assert stalled["reason"] == "SecretMissing"
    _until_warned(shop, known, stalled, "not-there")
    shop.patch({"workers": {"handlers": {"email": {"secretRef": email.get("secretRef")}}}})
    shop.until_condition("Stalled", "False", HEAL_SECONDS)
    _assert_undisturbed(shop, settled)


def test_a_volume_that_its_class_does_not_let_grow_is_named_with_both_ways_on(shop: Stack, settled: Pods) -> None:
    size = shop.resource()["spec"]["database"]["storage"]["size"]
    shop.patch({"database": {"storage": {"size": "64Gi"}}})
    stalled = shop.until_condition("Stalled", "True", HEAL_SECONDS)
    assert stalled["reason"] == "VolumeCannotGrow"
    assert "allowVolumeExpansion" in stalled["message"], stalled
    assert f"set spec.database.storage.size back to {size}" in stalled["message"], stalled
    assert shop.condition("Ready")["status"] == "True"
    shop.patch({"database": {"storage": {"size": size}}})
    shop.until_condition("Stalled", "False", HEAL_SECONDS)
    _assert_undisturbed(shop, settled)


def test_a_deleted_database_secret_is_made_anew_in_words_and_writes_go_on(shop: Stack, settled: Pods) -> None:
    password = ("shop-database", "app-password")
    before, known = shop.kubectl.secret(*password), _events(shop)
    with shop.under_load() as load:
        shop.kubectl.delete("secret", "shop-database")
        until("new passwords are there", lambda: shop.kubectl.secret(*password) not in {"", before}, HEAL_SECONDS)
        until("an event names it", lambda: _healed(shop, known, "Secret", "shop-database"), HEAL_SECONDS)
        load.until_acknowledged(100, "since", 120)
    shop.until_ready(HEAL_SECONDS)
    _assert_undisturbed(shop, settled)


def _events(shop: Stack) -> set[tuple[str, int]]:
    """The stack's events so far, each with how often it was told: what is not in here is news."""
    return {_telling(event) for event in shop.kubectl.events("shop")}


def _telling(event: Document) -> tuple[str, int]:
    return event["metadata"]["uid"], event.get("count") or 1


def _news(shop: Stack, known: set[tuple[str, int]]) -> list[Document]:
    return [event for event in shop.kubectl.events("shop") if _telling(event) not in known]


def _healed(shop: Stack, known: set[tuple[str, int]], kind: str, name: str) -> bool:
    """Whether news say that this very child was healed: not one of another kind, nor one whose name begins so."""
    told = re.compile(rf"(?<![\w.-]){kind} {re.escape(name)}(?![\w.-])")
    return any(event["reason"] == "Healed" and told.search(event["message"]) for event in _news(shop, known))


def _until_warned(shop: Stack, known: set[tuple[str, int]], bad: Document, *words: str) -> None:
    """Waits for a new Warning with a bad condition's type, status and reason that has these words."""
    begin = f"{bad['type']}={bad['status']}: "

    def warned() -> bool:
        return any(
            (event["type"], event["reason"]) == ("Warning", bad["reason"])
            and event["message"].startswith(begin)
            and all(word in event["message"] for word in words)
            for event in _news(shop, known)
        )

    until(f"a Warning {bad['reason']} says so", warned, EVENT_SECONDS)


def _place(shop: Stack) -> str:
    return f"/apis/highconcurrency.dev/v1alpha1/namespaces/{shop.kubectl.namespace}/highconcurrencystacks"


def _version(shop: Stack) -> str:
    """The version of all stacks now; a single one's may be so old that nothing can be watched from there."""
    return str(json.loads(shop.kubectl.run("get", "--raw", _place(shop)))["metadata"]["resourceVersion"])


def _told(shop: Stack, since: str) -> list[str]:
    """The message of the condition Reconciling in each status since that version."""
    states = shop.kubectl.history(_place(shop), since, shop.resource())
    return [condition(it, "Reconciling")["message"] for it in states if it["metadata"]["name"] == shop.name]


def _pods(shop: Stack) -> Pods:
    """All pods that stay: not those of the migration's Job and workers, which come and go by themselves."""
    pods = shop.kubectl.items(
        "pods", "highconcurrency.dev/stack=shop,app.kubernetes.io/component notin (worker,migrate)"
    )
    return {
        f"{pod['metadata']['labels']['app.kubernetes.io/component']}/{pod['metadata']['name']}/{pod['metadata']['uid']}"
        f"/{status['name']}": status["restartCount"]
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        for status in pod["status"].get("containerStatuses", [])
    }


def _assert_undisturbed(shop: Stack, before: Pods, broken: str = "") -> None:
    """No pod came, went or started again but those of the component that was broken."""

    def others(pods: Pods) -> Pods:
        return {name: restarts for name, restarts in pods.items() if name.partition("/")[0] != broken}

    assert others(_pods(shop)) == others(before), "something else was disturbed"
