"""How large the volumes are is told by what grows last, and what is still growing is told in words."""

from typing import Any

import pytest
from tests.unit.status.seen import child, outlook, snapshot, stack, workload

from hcs_operator.api.observed import Outlook
from hcs_operator.status.render import render

pytestmark = pytest.mark.unit


def database(size: str) -> dict[str, Any]:
    found = workload()
    template = {"spec": {"resources": {"requests": {"storage": size}}}}
    return {**found, "spec": {**found["spec"], "volumeClaimTemplates": [template]}}


def told(look: Outlook, size: str) -> dict[str, str]:
    found: dict[str, str] = render(stack({"database": {"storage": {"size": size}}}), look)["volumes"]
    return found


def seen(size: str) -> Outlook:
    return outlook(snapshot(live={**snapshot().live, child("db"): database(size)}))


def test_growth_that_is_not_carried_out_yet_can_be_taken_back() -> None:
    assert told(seen("1Gi"), "2Gi") == {"database": "1Gi"}


def test_no_more_than_the_spec_says_is_told() -> None:
    assert told(seen("3Gi"), "2Gi") == {"database": "2Gi"}


def test_while_a_set_is_made_again_its_last_size_stands() -> None:
    live = {key: value for key, value in snapshot().live.items() if key != child("db")}
    before = {"phase": "Running", "volumes": {"database": "1Gi"}}
    assert told(outlook(snapshot(live=live), previous=before), "2Gi") == {"database": "1Gi"}


def claim(capacity: str, *conditions: dict[str, str], phase: str = "Bound") -> dict[str, Any]:
    status = {"phase": phase, "capacity": {"storage": capacity}, "conditions": list(conditions)}
    return {"spec": {"resources": {"requests": {"storage": "2Gi"}}}, "status": status}


def reconciling(found: dict[str, Any]) -> tuple[str, str, str]:
    status = render(stack(), outlook(snapshot(claims={"data-shop-db-0-0": found})))
    condition = next(entry for entry in status["conditions"] if entry["type"] == "Reconciling")
    return condition["status"], condition["reason"], condition["message"]


def test_a_volume_that_grows_is_told_with_its_drivers_words() -> None:
    condition = {"type": "FileSystemResizePending", "message": "Waiting for the node"}
    assert reconciling(claim("1Gi", condition)) == (
        "True",
        "VolumeGrowing",
        "The volume of claim data-shop-db-0-0 grows from 1Gi to 2Gi: Waiting for the node.",
    )


@pytest.mark.parametrize("found", [claim("2Gi"), claim("3Gi"), claim("1Gi", phase="Pending")])
def test_a_volume_that_is_large_enough_or_not_there_yet_does_not_grow(found: dict[str, Any]) -> None:
    assert reconciling(found)[0] == "False"
