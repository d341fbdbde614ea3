"""A pod is told once of each Secret that was made anew after it, and of nothing else."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.status.seen import pod

from hcs_operator.api.observed import Child, PodView, Snapshot
from hcs_operator.decide.renewal import RENEWED, renewals

pytestmark = pytest.mark.unit

BEFORE, SAME, AFTER, LATER = (f"2026-01-01T00:00:0{second}Z" for second in (0, 1, 2, 3))
BEGAN = 1767225601.0
POD = pod("write-api", created_at=BEGAN, secrets=frozenset({"shop-database", "shop-tokens"}))


def snapshot(*pods: PodView, **made: str) -> Snapshot:
    """Secrets by the last word of their name, each with the time at which it was made."""
    live: dict[Child, dict[str, Any]] = {
        Child("Secret", f"shop-{word}"): {"metadata": {"uid": f"{word}-{stamp[-2]}", "creationTimestamp": stamp}}
        for word, stamp in made.items()
    }
    return Snapshot("shop", "shop", 0.0, live, pods=pods)


def test_a_start_tells_nobody() -> None:
    assert renewals(snapshot(POD, database=BEFORE, tokens=SAME)) == {}


def test_a_secret_made_anew_is_told_to_the_pods_that_mount_it() -> None:
    other = pod("gateway", created_at=BEGAN)
    assert renewals(snapshot(POD, other, database=AFTER, tokens=BEFORE)) == {POD.name: "database-2"}


def test_two_are_told_in_one_write() -> None:
    assert renewals(snapshot(POD, database=LATER, tokens=AFTER)) == {POD.name: "database-3,tokens-2"}


def test_a_pod_that_was_told_is_told_no_more() -> None:
    told = replace(POD, annotations={RENEWED: "database-2"})
    assert renewals(snapshot(told, database=AFTER, tokens=BEFORE)) == {}


def test_the_next_one_is_told_again() -> None:
    told = replace(POD, annotations={RENEWED: "database-2"})
    assert renewals(snapshot(told, database=LATER, tokens=BEFORE)) == {POD.name: "database-3"}


def test_a_secret_that_is_gone_tells_nothing() -> None:
    assert renewals(snapshot(replace(POD, annotations={RENEWED: "database-2"}), tokens=BEFORE)) == {}


@pytest.mark.parametrize("changes", [{"deleting": True}, {"ip": ""}])
def test_a_pod_on_its_way_out_or_without_an_address_is_left_alone(changes: dict[str, Any]) -> None:
    assert renewals(snapshot(replace(POD, **changes), database=AFTER)) == {}
