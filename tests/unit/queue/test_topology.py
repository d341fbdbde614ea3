"""The broker's layout as values."""

import pytest

from hcs_services.identifiers import TASK_TYPES
from hcs_services.queue.topology import CLASS_QUEUES, DEAD, queue_for, queues, retry_exchange

pytestmark = pytest.mark.unit

BY_NAME = {queue.name: queue for queue in queues()}


def test_every_task_type_has_a_class_queue() -> None:
    assert {queue_for(task_type) for task_type in TASK_TYPES} == set(CLASS_QUEUES)


@pytest.mark.parametrize("name", CLASS_QUEUES)
def test_a_class_queue_dead_letters_at_least_once_to_the_dead_queue(name: str) -> None:
    arguments = BY_NAME[name].arguments
    assert arguments["x-dead-letter-strategy"] == "at-least-once"
    assert arguments["x-overflow"] == "reject-publish"  # RabbitMQ falls back to at-most-once without it
    assert arguments["x-dead-letter-routing-key"] == DEAD


def test_a_waiting_message_keeps_the_routing_key_of_its_class_queue() -> None:
    waits = [queue for queue in queues() if queue.fanout]
    assert len(waits) == 6
    assert all("x-dead-letter-routing-key" not in queue.arguments for queue in waits)
    assert all(queue.arguments["x-dead-letter-exchange"] == "" for queue in waits)


def test_a_dead_letter_target_is_declared_before_the_queues_that_point_at_it() -> None:
    names = list(BY_NAME)
    assert names.index(DEAD) < min(names.index(name) for name in CLASS_QUEUES)


@pytest.mark.parametrize(("tries", "step"), [(1, 1.0), (2, 5.0), (3, 30.0), (4, 30.0), (20_000, 30.0)])
@pytest.mark.parametrize("late", [False, True])
def test_a_retry_waits_its_step_give_or_take_a_tenth(tries: int, step: float, late: bool) -> None:
    milliseconds = BY_NAME[retry_exchange(tries, late=late)].arguments["x-message-ttl"]
    assert milliseconds == pytest.approx(step * (1.1 if late else 0.9) * 1000)
