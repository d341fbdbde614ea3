"""The sample stack shrinks to one member under orders and tasks, loses that one in turn, and grows to three again."""

from __future__ import annotations

import pytest
from tests.cluster import members
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def alone(shop: Stack) -> Stack:
    """The sample stack with one member, shrunk under load."""
    shop.until_ready()
    members.until_safe(shop)
    ledger = shop.ledger()
    with ledger.trickle(orders_per_second=20, tasks_per_second=5):
        members.want(shop, 1)
        until("one pod is left", lambda: (len(shop.kubectl.pods(shop.name, "db")) == 1) or None, 180)
        shop.until_condition("DurabilitySatisfied", "False", 60)
        until("nothing is left to do", lambda: ("journal" not in shop.resource()["status"]) or None, 60)
    print(f"    {ledger.settle_and_balance()}")
    assert shop.resource()["status"]["database"]["claim"]["members"] == ["shop-db-0-0"]
    return shop


def test_one_member_and_one_queue_node_are_called_what_they_are(alone: Stack) -> None:
    durability = alone.condition("DurabilitySatisfied")
    assert (durability["status"], durability["reason"]) == ("False", "SingleMember")
    assert "SingleQueueNode" in durability["message"]


@pytest.mark.parametrize("fault", [members.killed, members.deleted], ids=["killed", "its pod is deleted"])
def test_the_member_is_lost_and_no_acknowledged_order_with_it(fault: members.Loss, alone: Stack) -> None:
    alone.until_ready()
    ledger = alone.ledger()
    with ledger.trickle(orders_per_second=20, tasks_per_second=5):
        with fault(alone, "shop-db-0-0"):
            pass
        alone.until_ready(90)
    print(f"    {ledger.settle_and_balance()}")


def test_it_comes_back_while_the_operator_is_away(alone: Stack, operator_away: None) -> None:
    ledger = alone.ledger()
    with ledger.trickle(), members.killed(alone, "shop-db-0-0"):
        pass
    print(f"    {ledger.settle_and_balance()}")


def test_it_grows_to_three_under_load(alone: Stack) -> None:
    ledger = alone.ledger()
    with ledger.trickle(orders_per_second=20, tasks_per_second=5):
        members.want(alone, 3)
        members.until_safe(alone)
    print(f"    {ledger.settle_and_balance()}")
    assert alone.condition("DurabilitySatisfied")["reason"] == "SingleQueueNode"
