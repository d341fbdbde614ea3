"""The whole status: complete at each look, still at rest, honest about a spec that cannot be read."""

from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from tests.unit.status.seen import NOW, STEADY, child, failed, outlook, snapshot, stack, without

from hcs_operator.api.conditions import ALL
from hcs_operator.api.crd import structural
from hcs_operator.api.names import COMPONENTS
from hcs_operator.api.observed import Outlook, QueueFigures, Reason, Recommendation, Scaling
from hcs_operator.api.status import StackStatus
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.status.render import render, render_problem

CLAIM = {"seed": "shop-db-0-0", "epoch": 1, "groupName": "g"}


def later(look: Outlook, seconds: float, **seen: Any) -> Outlook:
    """The next look, with what the last one wrote as previous status."""
    return replace(
        look,
        previous=render(stack(), look),
        snapshot=replace(look.snapshot, now=look.snapshot.now + seconds, **seen),
    )


def condition(status: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in status["conditions"] if entry["type"] == name)


def test_a_status_fits_the_schema_of_the_resource() -> None:
    schema = structural(StackStatus)
    schema.pop("required")
    jsonschema.validate(render(stack(), outlook()), _loose(schema))


def _loose(schema: Any) -> Any:
    """The structural schema, closed against unknown fields and with nothing required."""
    if not isinstance(schema, dict):
        return schema
    loose = {key: _loose(value) for key, value in schema.items() if key != "required"}
    if "properties" in schema:
        loose["properties"] = {name: _loose(child) for name, child in schema["properties"].items()}
        loose["additionalProperties"] = False
    return loose


def test_all_conditions_are_there_on_first_sight() -> None:
    status = render(stack(), outlook())
    assert tuple(entry["type"] for entry in status["conditions"]) == ALL
    assert {entry["observedGeneration"] for entry in status["conditions"]} == {3}


def test_every_component_is_told_in_words() -> None:
    status = render(stack(), outlook())
    assert [entry["name"] for entry in status["components"]] == list(COMPONENTS)
    assert {(entry["ready"], entry["state"]) for entry in status["components"]} == {("1/1", "Running")}


def test_at_rest_the_next_look_writes_the_same() -> None:
    first = outlook()
    assert render(stack(), later(first, 3600)) == render(stack(), first)


def test_a_condition_keeps_its_time_until_it_turns() -> None:
    tests = {**snapshot().selftests, "write-api": (failed("write-api"),)}
    second = render(stack(), later(outlook(), 60, selftests=tests))
    assert condition(second, "WritesAvailable")["lastTransitionTime"] == "2027-01-15T08:01:00Z"
    assert condition(second, "ReadsAvailable")["lastTransitionTime"] == "2027-01-15T08:00:00Z"


def test_the_claim_is_left_to_its_owner() -> None:
    look = outlook(database=None, previous={"database": {"bootstrapped": True, "claim": CLAIM}})
    assert render(stack(), look)["database"] == {"bootstrapped": True}


def test_a_small_change_of_the_queue_is_not_written_and_a_large_one_is() -> None:
    full = outlook(snapshot(queue=QueueFigures(1000, 13, 0, 0, NOW)))
    assert render(stack(), full)["workers"]["signal"] == "1000"
    small = later(full, 40, queue=QueueFigures(1100, 0, 0, 0, NOW))
    large = later(full, 40, queue=QueueFigures(1300, 0, 0, 0, NOW))
    early = later(full, 20, queue=QueueFigures(9000, 0, 0, 0, NOW))
    assert [render(stack(), look)["workers"]["signal"] for look in (small, large, early)] == ["1000", "1300", "1000"]


def test_a_decision_that_differs_only_in_its_numbers_keeps_its_words() -> None:
    first = outlook(workers=Scaling(2, Recommendation(2, Reason("Steady", "holds 2: backlog 7"), None, None)))
    same = replace(
        later(first, 5), workers=Scaling(2, Recommendation(2, Reason("Steady", "holds 2: backlog 9"), None, None))
    )
    more = replace(
        later(first, 5), workers=Scaling(2, Recommendation(4, Reason("Backlog", "2 -> 4: backlog 99"), None, None))
    )
    assert render(stack(), same)["workers"]["message"] == "holds 2: backlog 7"
    assert render(stack(), more)["workers"]["message"] == "2 -> 4: backlog 99"


def test_a_changed_count_is_dated() -> None:
    grown = replace(later(outlook(), 60), workers=Scaling(3, STEADY))
    assert render(stack(), grown)["workers"]["lastScaleTime"] == "2027-01-15T08:01:00Z"
    assert "lastScaleTime" not in render(stack(), outlook())["workers"]


def test_workers_selector_is_that_of_the_scale_subresource() -> None:
    selector = render(stack(), outlook())["workers"]["selector"]
    assert selector == "app.kubernetes.io/component=worker,highconcurrency.dev/stack=shop"


def test_an_operation_under_way_is_in_the_journal_until_it_is_over() -> None:
    entry = {
        "operation": "CloneReader",
        "instance": "shop-replica-0-0",
        "step": "Clone",
        "startedAt": "2027-01-15T08:00:00Z",
    }
    running = outlook(database=DatabasePlan(readers_ready=1, journal=entry))
    assert render(stack(), running)["journal"] == entry
    assert "journal" not in render(stack(), outlook())


def test_phases_tell_the_story_in_one_word() -> None:
    tests = {**snapshot().selftests, "write-api": (failed("write-api"),)}
    stalled = outlook(problems=(Reason("ChildRefused", "x is refused"),))
    told = {
        "Running": render(stack(), outlook()),
        "Starting": render(stack(), outlook(snapshot(selftests=tests))),
        "Unavailable": render(stack(), outlook(snapshot(selftests=tests), previous={"phase": "Running"})),
        "Degraded": render(stack(), stalled),
        "Paused": render(stack({"paused": True}), outlook()),
        "Updating": render(stack(), outlook(changing=("Deployment shop-gateway: new",))),
    }
    assert {word: status["phase"] for word, status in told.items()} == {word: word for word in told}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("", "Starting"),
        ("Starting", "Starting"),
        ("Paused", "Starting"),
        ("Stalled", "Starting"),
        ("Running", "Unavailable"),
        ("Unavailable", "Unavailable"),
    ],
)
def test_a_missing_component_is_part_of_a_start_only_before_the_first_ready(before: str, now: str) -> None:
    live = {key: value for key, value in snapshot().live.items() if key != child("gateway")}
    seen = snapshot(live=live, pods=without("gateway"))
    assert render(stack(), outlook(seen, previous={"phase": before}))["phase"] == now


def test_a_start_lasts_until_everything_works_not_until_everything_is_made() -> None:
    seen = snapshot(pods=without("gateway"))
    phases = {
        before: render(stack(), outlook(seen, previous={"phase": before}))["phase"]
        for before in ("Starting", "Paused", "Running")
    }
    assert phases == {"Starting": "Starting", "Paused": "Unavailable", "Running": "Unavailable"}


def test_a_spec_that_cannot_be_read_keeps_what_is_known_and_says_why() -> None:
    before = render(stack(), outlook())
    status = render_problem(
        {**before, "database": {**before["database"], "claim": CLAIM}},
        4,
        Reason("InvalidSpec", "spec.x is no number"),
        NOW,
    )
    assert status["observedGeneration"] == 4
    assert (condition(status, "Ready")["status"], condition(status, "Stalled")["message"]) == (
        "False",
        "spec.x is no number.",
    )
    assert condition(status, "WritesAvailable")["status"] == "Unknown", "nobody looks any more"
    assert status["components"] == before["components"]
    assert "claim" not in status["database"]


def test_a_first_sight_of_an_unreadable_spec_sets_all_conditions() -> None:
    status = render_problem({}, 1, Reason("InvalidSpec", "spec.x is no number"), NOW)
    assert [entry["type"] for entry in status["conditions"]] == list(ALL)
