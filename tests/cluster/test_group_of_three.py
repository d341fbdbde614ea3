"""The sample stack's group of three loses its primary in every way, then its majority, and then all of it, under load."""

from __future__ import annotations

import pytest
from tests.cluster import faults, members, nodes
from tests.cluster.conftest import Stack
from tests.cluster.faults import FAULTS

pytestmark = pytest.mark.cluster

# By name of what is done to it; all under one load, so that what heals one fault is what the next one meets.
OF_THE_PRIMARY = (
    "primary killed (-9)",
    "primary's pod deleted",
    "primary hung (SIGSTOP)",
    "primary's node cut off",
    "primary's node killed",
    "primary's volume lost",
)


@pytest.fixture
def trio(shop: Stack) -> Stack:
    """The sample stack once all three of its members are online."""
    shop.until_ready()
    members.until_safe(shop)
    return shop


def test_the_primary_is_lost_in_every_way_and_no_acknowledged_order_with_it(trio: Stack) -> None:
    nodes.make_expendable(trio)
    ledger = trio.ledger()
    with ledger.trickle(orders_per_second=20, tasks_per_second=5):
        for name in OF_THE_PRIMARY:
            FAULTS[name].prepare(trio)
            before = members.primary(trio)
            print(f"    {before}: {name}")
            with FAULTS[name].inflict(trio, before):
                members.until_another_leads(trio, before)
                ledger.until_acknowledged(200, "since", 60)
            members.until_safe(trio)
    print(f"    {ledger.settle_and_balance()}")


def test_a_failover_needs_no_operator(trio: Stack, operator_away: None) -> None:
    print(f"    {faults.suffered(trio, FAULTS['primary killed (-9), operator away'])}")


@pytest.mark.parametrize("name", ["both secondaries killed", "all members killed"])
def test_without_a_majority_it_comes_back_by_itself(name: str, trio: Stack) -> None:
    print(f"    {faults.suffered(trio, FAULTS[name])}")
