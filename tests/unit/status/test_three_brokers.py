"""What the conditions say of a queue of three brokers."""

from typing import Any

from tests.unit.status.seen import (
    NOW,
    child,
    outlook,
    pod,
    snapshot,
    stack,
    without,
    workload,
)

from hcs_operator.api.observed import QueueFigures, Reason
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.status.facts import Facts, Verdict
from hcs_operator.status.render import judged

FOUNDED = DatabasePlan(primary_ready=True, readers_ready=1, status={"bootstrapped": True})


def of_three(*ready: int, members: int = 3, online: int = 3, **changes: Any) -> dict[str, Verdict]:
    """A queue of three, of which those with these ordinals are ready."""
    brokers = [pod("queue", name=f"shop-queue-{ordinal}", ready=ordinal in ready) for ordinal in range(3)]
    seen = snapshot(
        live={**snapshot().live, child("queue"): workload(3)},
        pods=(*without("queue"), *brokers),
        **{"queue": QueueFigures(0, 0, 10, 10, NOW, members, online), **changes},
    )
    held = {"conditions": [{"type": "QueueHealthy", "status": "True"}]}
    facts = Facts(stack({"queue": {"replicas": 3}}), outlook(seen, database=FOUNDED, previous=held))
    return judged(facts)


def test_three_brokers_that_hold_every_queue_lose_nothing_with_one() -> None:
    found = of_three(0, 1, 2)
    assert (found["QueueHealthy"].status, found["DurabilitySatisfied"].status) == ("True", "True")


def test_one_broker_of_three_that_is_down_is_named_and_lowers_nothing_else() -> None:
    found = of_three(0, 2, online=2)
    assert (found["QueueHealthy"].status, found["QueueHealthy"].reason) == ("False", "BrokerDown")
    assert found["QueueHealthy"].message.startswith("Not ready: shop-queue-1;")
    assert (found["DurabilitySatisfied"].status, found["DurabilitySatisfied"].reason) == ("False", "QueueBrokerMissing")
    assert found["Ready"].holds


def test_two_brokers_of_three_that_are_down_leave_no_majority() -> None:
    found = of_three(1, online=1)
    assert (found["QueueHealthy"].status, found["QueueHealthy"].reason) == ("False", "NoMajority")
    assert found["DurabilitySatisfied"].reason == "QueueBrokerMissing"


def test_a_broker_that_is_back_counts_once_it_holds_every_queue_again() -> None:
    found = of_three(0, 1, 2, members=2, online=2)
    assert (found["QueueHealthy"].status, found["QueueHealthy"].reason) == ("False", "BrokerBehind")
    assert found["DurabilitySatisfied"].reason == "QueueBrokerMissing"


def test_brokers_that_say_nothing_are_not_taken_at_the_words_of_the_spec() -> None:
    silent = Reason("QueueUnreachable", "the broker's management API does not answer")
    found = of_three(0, 1, 2, queue=silent)
    assert found["QueueHealthy"].message.startswith("3 of the queue's 3 pods are ready, but")
    assert (found["DurabilitySatisfied"].status, found["DurabilitySatisfied"].reason) == ("Unknown", "QueueNotSeen")
    assert of_three(0, 1, queue=silent)["DurabilitySatisfied"].reason == "QueueBrokerMissing"
