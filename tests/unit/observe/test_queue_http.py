"""What the management API answers, as figures."""

from typing import Any

import pytest

from hcs_operator.api.observed import QueueFigures, Reason
from hcs_operator.observe.queue_http import CLASS_QUEUES, figures_of

pytestmark = pytest.mark.unit


def queue(name: str, *online: int, members: int = 3, **counters: Any) -> dict[str, Any]:
    """A quorum queue as RabbitMQ 4.0 tells of it, of these brokers that are up."""
    nodes = [f"rabbit@q-{ordinal}" for ordinal in range(members)]
    return {"name": name, "type": "quorum", "members": nodes, "online": [nodes[it] for it in online], **counters}


def classes(*online: int) -> list[dict[str, Any]]:
    stats = {"publish": 5, "ack": 4}
    counters: dict[str, Any] = {"messages_ready": 1, "messages_unacknowledged": 2, "message_stats": stats}
    return [queue(name, *online, **counters) for name in sorted(CLASS_QUEUES)]


def test_messages_are_counted_in_the_class_queues_and_dead_letters_by_themselves() -> None:
    dead = queue("hcs.dead", 0, 1, 2, messages_ready=9, messages_unacknowledged=1)
    found = figures_of([*classes(0, 1, 2), dead], 7.0)
    assert found == QueueFigures(ready=3, unacked=6, published=15, acked=12, at=7.0, dead=10, members=3, online=3)


def test_the_queue_that_the_fewest_brokers_hold_counts_whatever_it_is_for() -> None:
    waiting = queue("hcs.wait.900", 0, 1, members=2)
    found = figures_of([*classes(0, 1, 2), waiting], 7.0)
    assert isinstance(found, QueueFigures)
    assert (found.members, found.online) == (2, 2)


def test_a_queue_that_is_not_replicated_says_nothing_about_those_that_are() -> None:
    found = figures_of([*classes(0, 1, 2), {"name": "amq.gen-1", "type": "classic"}], 7.0)
    assert isinstance(found, QueueFigures)
    assert found.online == 3


def test_a_broker_without_the_class_queues_has_no_figures() -> None:
    answer = figures_of(classes(0, 1, 2)[1:], 7.0)
    assert isinstance(answer, Reason)
    assert answer.word == "QueuesMissing"
