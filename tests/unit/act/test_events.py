"""Events tell of turns for the better or worse, once."""

from typing import Any

import pytest

from hcs_operator.act.events import emit, transitions
from hcs_operator.kube.errors import Refused
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref

pytestmark = pytest.mark.unit


def status(**conditions: tuple[str, str]) -> dict[str, Any]:
    entries = [
        {"type": name, "status": value, "reason": reason, "message": "m"}
        for name, (value, reason) in conditions.items()
    ]
    return {"conditions": entries}


def told(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str]]:
    return [(event.type, event.reason) for event in transitions(before, after)]


def test_an_unchanged_status_tells_nothing() -> None:
    same = status(Ready=("False", "NoWrites"), Stalled=("True", "X"))
    assert told(same, same) == []


def test_a_turn_for_the_worse_is_a_warning() -> None:
    assert told(status(Ready=("True", "Ready")), status(Ready=("False", "NoWrites"))) == [("Warning", "NoWrites")]


def test_a_turn_for_the_better_is_normal() -> None:
    assert told(status(Ready=("False", "NoWrites")), status(Ready=("True", "Ready"))) == [("Normal", "Ready")]


def test_another_reason_while_it_is_bad_is_told() -> None:
    assert told(status(Ready=("False", "NoWrites")), status(Ready=("False", "NoReads"))) == [("Warning", "NoReads")]


def test_stalled_is_bad_when_true() -> None:
    assert told(status(Stalled=("False", "No")), status(Stalled=("True", "WrongImage"))) == [("Warning", "WrongImage")]


def test_what_does_not_work_yet_is_no_warning_while_the_stack_starts() -> None:
    waiting = status(Ready=("False", "WaitingForDatabase"), QueueHealthy=("False", "Crashing"))
    assert told({}, waiting | {"phase": "Starting"}) == [("Normal", "WaitingForDatabase"), ("Normal", "Crashing")]


def test_an_obstacle_is_a_warning_even_while_the_stack_starts() -> None:
    assert told({}, status(Stalled=("True", "SecretMissing")) | {"phase": "Starting"}) == [("Warning", "SecretMissing")]


def test_reconciling_is_never_told() -> None:
    assert told(status(Reconciling=("False", "No")), status(Reconciling=("True", "Rollout"))) == []


STACK = {
    "apiVersion": "v",
    "kind": "HighConcurrencyStack",
    "metadata": {"name": "shop", "namespace": "shop", "uid": "u"},
}


async def test_an_event_names_the_stack_it_is_about() -> None:
    cluster = Cluster()
    await emit(cluster, STACK, transitions({}, status(Ready=("False", "NoWrites"))), now=0.0)
    (event,) = cluster.objects.values()
    assert (event["involvedObject"]["uid"], event["reason"]) == ("u", "NoWrites")


async def test_an_event_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    monkeypatch.setattr("hcs_operator.act.events.secrets.token_hex", lambda _: "0")
    cluster.refuse[("create", Ref("Event", "shop", "shop.0"))] = Refused("quota")
    await emit(cluster, STACK, transitions({}, status(Ready=("False", "NoWrites"))), now=0.0)
    assert cluster.objects == {}
