"""Only what this very stack owns and no longer wants is deleted."""

from collections.abc import Set as AbstractSet
from typing import Any

import pytest

from hcs_operator.api.observed import Child, Snapshot
from hcs_operator.decide.pruning import AGAIN_SECONDS, of_an_earlier_life, unwanted

pytestmark = pytest.mark.unit


def owned_by(uid: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"ownerReferences": [{"uid": uid, "controller": True}], **metadata}}


def pruned(
    live: dict[Child, dict[str, Any]],
    *,
    desired: AbstractSet[Child] = frozenset(),
    kept: AbstractSet[Child] = frozenset(),
) -> tuple[Child, ...]:
    return unwanted(Snapshot("shop", "shop", 0.0, live), "mine", desired, kept)


OLD, NEW, SECRET = Child("Service", "old"), Child("Service", "new"), Child("Secret", "tokens")


def test_what_is_owned_and_not_wanted_goes() -> None:
    assert pruned({OLD: owned_by("mine"), NEW: owned_by("mine")}, desired={NEW}) == (OLD,)


def test_what_is_made_once_stays() -> None:
    assert pruned({SECRET: owned_by("mine")}, kept={SECRET}) == ()


def test_what_an_earlier_stack_of_that_name_owned_is_left_to_the_garbage_collector() -> None:
    assert pruned({OLD: owned_by("earlier")}) == ()


def test_an_earlier_life_has_the_name_and_another_uid() -> None:
    def controlled(kind: str, name: str, uid: str) -> dict[str, Any]:
        owner = {"kind": kind, "name": name, "uid": uid, "controller": True}
        return {"metadata": {"ownerReferences": [owner]}}

    assert of_an_earlier_life(controlled("HighConcurrencyStack", "shop", "old"), "shop", "mine")
    others: tuple[dict[str, Any], ...] = (
        controlled("HighConcurrencyStack", "shop", "mine"),
        controlled("HighConcurrencyStack", "shop-2", "other"),
        controlled("ExternalSecret", "shop", "other"),
        {"metadata": {}},
    )
    assert not any(of_an_earlier_life(other, "shop", "mine") for other in others)


@pytest.mark.parametrize(("since", "gone"), [("2026-01-01T00:00:00Z", True), ("2026-01-01T00:00:01Z", False)])
def test_a_failed_job_stays_to_be_seen_for_a_minute_and_is_then_made_anew(since: str, *, gone: bool) -> None:
    job = Child("Job", "shop-migrate-1")
    ended = {"type": "Failed", "status": "True", "lastTransitionTime": since}
    document = {"kind": "Job", **owned_by("mine"), "status": {"conditions": [ended]}}
    snapshot = Snapshot("shop", "shop", 1_767_225_600.0 + AGAIN_SECONDS, {job: document})
    assert unwanted(snapshot, "mine", {job}, frozenset()) == ((job,) if gone else ())
    assert unwanted(snapshot, "mine", frozenset(), frozenset()) == (job,)


def test_what_nobody_owns_stays() -> None:
    assert pruned({OLD: {"metadata": {}}}) == ()


def test_claims_follow_the_reclaim_policy_and_not_the_operator() -> None:
    assert pruned({Child("PersistentVolumeClaim", "data"): owned_by("mine")}) == ()


def test_what_is_being_deleted_is_not_deleted_again() -> None:
    assert pruned({OLD: owned_by("mine", deletionTimestamp="2026-01-01T00:00:00Z")}) == ()
