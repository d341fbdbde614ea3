"""The sample stack's group of three loses its primary, and then all of it, under orders and tasks."""

from __future__ import annotations

import pytest
from tests.cluster import members
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until

pytestmark = pytest.mark.cluster


@pytest.fixture
def trio(shop: Stack) -> Stack:
    """The sample stack once all three of its members are online."""
    shop.until_ready()
    until("three members are online", lambda: members.are_safe(shop), 240)
    return shop


@pytest.mark.parametrize(
    "fault", [members.killed, members.deleted, members.hung], ids=["killed", "its pod is deleted", "hung"]
)
def test_the_primary_is_lost_and_no_acknowledged_order_with_it(fault: members.Loss, trio: Stack) -> None:
    ledger, before = trio.ledger(), members.primary(trio)
    with ledger.trickle(orders_per_second=20, tasks_per_second=5):
        with fault(trio, before):
            until("another member leads", lambda: members.primary(trio) not in {"", before} or None, 60)
        until("all three are online again", lambda: members.are_safe(trio), 120)
    print(f"    {ledger.settle_and_balance()}")


def test_a_failover_needs_no_operator(trio: Stack, operator_away: None) -> None:
    ledger = trio.ledger()
    with ledger.trickle(), members.killed(trio, members.primary(trio)):
        pass
    print(f"    {ledger.settle_and_balance()}")


def test_all_members_killed_at_once_come_back_without_a_person(trio: Stack) -> None:
    ledger = trio.ledger()
    with ledger.trickle(), members.all_killed(trio, members.primary(trio)):
        until("all three are online again", lambda: members.are_safe(trio), 180)
    print(f"    {ledger.settle_and_balance()}")
