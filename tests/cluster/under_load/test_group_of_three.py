"""The sample stack's group of three loses its majority, all of it, and its primary in every way, under one load: what
heals one fault is what the next one meets.
"""

from __future__ import annotations

import pytest
from tests.cluster import members
from tests.cluster.conftest import Stack
from tests.cluster.faults import FAULTS
from tests.cluster.ledger import Ledger

pytestmark = pytest.mark.cluster

# By name of what is done to it.
OF_THE_PRIMARY = (
    "hand-over",
    "primary killed (-9)",
    "primary's pod deleted",
    "primary hung (SIGSTOP)",
    "primary's node muted",
    "primary's node cut off",
    "primary's node killed",
    "primary's node drained",
    "primary's volume lost",
)
OF_THE_MAJORITY = ("both secondaries killed", "all members killed")


@pytest.fixture
def trio(shop: Stack, load: Ledger) -> Stack:
    """The sample stack once all three of its members are online."""
    shop.until_ready()
    members.until_safe(shop)
    return shop


@pytest.mark.parametrize("name", OF_THE_MAJORITY)
def test_without_a_majority_it_comes_back_by_itself_after(name: str, trio: Stack, load: Ledger) -> None:
    with load.during(name), FAULTS[name].inflict(trio, members.primary(trio)):
        load.until_acknowledged(100, "since", 120)
        members.until_safe(trio)


@pytest.mark.parametrize("name", OF_THE_PRIMARY)
def test_another_leads_after(name: str, trio: Stack, load: Ledger) -> None:
    FAULTS[name].prepare(trio)
    before = members.primary(trio)
    with load.during(f"{name}: {before}"), FAULTS[name].inflict(trio, before):
        members.until_another_leads(trio, before)
        load.until_acknowledged(100, "since", 60)


def test_a_failover_needs_no_operator(trio: Stack, load: Ledger, operator_away: None) -> None:
    with load.during("killed, operator away"), members.killed(trio, members.primary(trio)):
        load.until_acknowledged(100, "since", 120)


def test_it_comes_back_by_itself_after_the_primarys_volume_was_full(trio: Stack, load: Ledger) -> None:
    """After those that take a node down: the small volume, a file system in its memory, would go with it."""
    name = "primary's volume full for 20 s"
    FAULTS[name].prepare(trio)
    with load.during(name), FAULTS[name].inflict(trio, members.primary(trio)):
        load.until_acknowledged(100, "since", 120)
        members.until_safe(trio)
