"""The sample stack shrinks to one member, loses that one in turn, and grows to three again, though it loses who joins first.
All under one load.
"""

from __future__ import annotations

import pytest
from tests.cluster import members
from tests.cluster.conftest import Stack
from tests.cluster.faults import FAULTS
from tests.cluster.ledger import Ledger

pytestmark = pytest.mark.cluster
MEMBER = "shop-db-0-0"


@pytest.fixture(scope="module")
def alone(shop: Stack, load: Ledger) -> Stack:
    """The sample stack with one member, shrunk under load."""
    members.until_safe(shop)
    with load.during("shrunk to one"):
        members.make_one(shop)
    assert shop.resource()["status"]["database"]["claim"]["members"] == [MEMBER]
    return shop


def test_one_member_and_one_queue_node_are_called_what_they_are(alone: Stack) -> None:
    durability = members.until_called(alone, "SingleMember")
    assert durability["status"] == "False"
    assert "SingleQueueNode" in durability["message"]


@pytest.mark.parametrize("fault", [members.killed, members.deleted], ids=["killed", "its pod is deleted"])
def test_the_member_is_lost_and_comes_back(fault: members.Loss, alone: Stack, load: Ledger) -> None:
    alone.until_ready()
    with load.during(fault.__name__):
        with fault(alone, MEMBER):
            load.until_acknowledged(100, "since", 120)
        alone.until_ready(90)


def test_it_comes_back_while_the_operator_is_away(alone: Stack, load: Ledger, operator_away: None) -> None:
    with load.during("killed, operator away"), members.killed(alone, MEMBER):
        load.until_acknowledged(100, "since", 120)


def test_it_grows_to_three_though_a_joiner_is_killed_while_the_group_counts_two(alone: Stack, load: Ledger) -> None:
    name = "joiner killed at two"
    alone.until_ready()
    with load.during(name), FAULTS[name].inflict(alone, MEMBER):
        load.until_acknowledged(100, "since", 120)
        members.until_safe(alone)
    members.until_called(alone, "SingleQueueNode")
