"""One thing is broken by hand; the stack says what and why in words, heals it where that is possible, and leaves the rest alone."""

from __future__ import annotations

import base64

import pytest
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until

pytestmark = pytest.mark.cluster

HEAL_SECONDS = 30


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("deployment", "write-api"), ("service", "gateway"), ("configmap", "db-0"), ("poddisruptionbudget", "gateway")],
)
def test_a_deleted_child_comes_back_and_an_event_says_so(kind: str, suffix: str, shop: Stack) -> None:
    shop.until_ready()
    name = f"shop-{suffix}"
    before = shop.kubectl.get(kind, name)
    assert before, name
    others = _restarts(shop)
    shop.kubectl.delete(kind, name)

    def renewed() -> bool:
        now = shop.kubectl.get(kind, name)
        return now is not None and now["metadata"]["uid"] != before["metadata"]["uid"]

    until(f"{kind} {name} is there again", renewed, HEAL_SECONDS)
    until(
        "an event names it",
        lambda: any(name in event["message"] for event in shop.kubectl.events("shop")),
        HEAL_SECONDS,
    )
    shop.until_ready()
    assert _restarts(shop) == others, "something else was disturbed"


def test_a_deleted_cache_pod_is_named_and_comes_back(shop: Stack) -> None:
    shop.kubectl.delete("pod", "shop-cache-0", wait=False)
    unhealthy = shop.until_condition("CacheHealthy", "False", HEAL_SECONDS)
    assert "cache" in unhealthy["message"].lower()
    shop.until_condition("CacheHealthy", "True", 60)


def test_a_wrong_image_stalls_in_words_while_the_old_pods_serve(shop: Stack) -> None:
    shop.until_ready()
    before = shop.resource()["spec"].get("writeApi", {}).get("image")
    shop.patch({"writeApi": {"image": "hcs/no-such-image:0"}})
    stalled = shop.until_condition("Stalled", "True", HEAL_SECONDS)
    assert "hcs/no-such-image:0" in stalled["message"], stalled
    assert "write-api" in stalled["message"], stalled
    assert shop.condition("Ready")["status"] == "True", "the old pods still serve"
    shop.patch({"writeApi": {"image": before}})
    shop.until_condition("Stalled", "False", HEAL_SECONDS)
    shop.until_ready()


def test_a_users_secret_that_is_missing_is_named_with_its_keys(shop: Stack) -> None:
    email = shop.resource()["spec"]["workers"]["handlers"]["email"]
    shop.patch({"workers": {"handlers": {"email": {"secretRef": {"name": "not-there"}}}}})
    stalled = shop.until_condition("Stalled", "True", HEAL_SECONDS)
    assert "not-there" in stalled["message"], stalled
    assert stalled["reason"] == "SecretMissing"
    shop.patch({"workers": {"handlers": {"email": {"secretRef": email.get("secretRef")}}}})
    shop.until_condition("Stalled", "False", HEAL_SECONDS)


def test_a_volume_that_its_class_does_not_let_grow_is_named_with_both_ways_on(shop: Stack) -> None:
    size = shop.resource()["spec"]["database"]["storage"]["size"]
    shop.patch({"database": {"storage": {"size": "64Gi"}}})
    stalled = shop.until_condition("Stalled", "True", HEAL_SECONDS)
    assert stalled["reason"] == "VolumeCannotGrow"
    assert "allowVolumeExpansion" in stalled["message"], stalled
    assert f"set spec.database.storage.size back to {size}" in stalled["message"], stalled
    assert shop.condition("Ready")["status"] == "True"
    shop.patch({"database": {"storage": {"size": size}}})
    shop.until_condition("Stalled", "False", HEAL_SECONDS)


def test_a_deleted_database_secret_is_made_anew_and_writes_go_on(shop: Stack) -> None:
    before, pods, ledger = _password(shop), _restarts(shop), shop.ledger()
    with ledger.trickle():
        shop.kubectl.delete("secret", "shop-database")
        until("new passwords are there", lambda: _password(shop) not in {None, before}, HEAL_SECONDS)
    shop.until_ready(HEAL_SECONDS)
    assert _restarts(shop) == pods, "an engine was restarted"
    print(f"    {ledger.settle_and_balance()}")


def _password(shop: Stack) -> bytes | None:
    secret = shop.kubectl.get("secret", "shop-database")
    return base64.b64decode(secret["data"]["app-password"]) if secret else None


def _restarts(shop: Stack) -> dict[str, int]:
    """Restarts of the stateful engines' containers, which no repair of something else may touch."""
    return {
        f"{pod['metadata']['uid']}/{status['name']}": status["restartCount"]
        for component in ("db", "replica", "cache", "queue")
        for pod in shop.kubectl.pods("shop", component)
        for status in pod["status"]["containerStatuses"]
    }
