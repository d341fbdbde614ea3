"""The sample stack grows to three members and shrinks again under orders and tasks; meanwhile its primary is lost in turn."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until

pytestmark = pytest.mark.cluster


def members(stack: Stack, count: int) -> None:
    stack.patch({"database": {"members": count}})


def is_safe(stack: Stack) -> bool | None:
    """Whether every member is there, each on a node of its own."""
    database = stack.resource()["status"]["database"]
    online = [it for it in database["instances"] if it["role"] == "member" and it["state"] == "ONLINE"]
    return (len(online) == 3 and database["safeToLosePrimary"]) or None


def primary(stack: Stack) -> str:
    return str(stack.resource()["status"]["database"].get("currentPrimary", ""))


def kill(stack: Stack) -> None:
    stack.kubectl.signal_container(primary(stack), "mysqld")


def delete(stack: Stack) -> None:
    stack.kubectl.delete("pod", primary(stack), wait=False)


@pytest.fixture(scope="module")
def trio(shop: Stack) -> Stack:
    """The sample stack with three members, grown under load."""
    shop.until_ready()
    ledger = shop.ledger()
    with ledger.trickle(orders_per_second=20, tasks_per_second=5):
        members(shop, 3)
        until("three members are online", lambda: is_safe(shop), 240)
    print(f"    {ledger.settle_and_balance()}")
    return shop


@pytest.mark.parametrize("fault", [kill, delete], ids=["killed", "its pod is deleted"])
def test_the_primary_is_lost_and_no_acknowledged_order_with_it(fault: Callable[[Stack], None], trio: Stack) -> None:
    ledger, before = trio.ledger(), primary(trio)
    with ledger.trickle(orders_per_second=20, tasks_per_second=5):
        fault(trio)
        until("another member leads", lambda: primary(trio) not in {"", before} or None, 60)
        until("all three are online again", lambda: is_safe(trio), 120)
    print(f"    {ledger.settle_and_balance()}")


def test_a_failover_needs_no_operator(trio: Stack, operator_away: None) -> None:
    ledger = trio.ledger()
    with ledger.trickle():
        kill(trio)
    print(f"    {ledger.settle_and_balance()}")


def test_all_members_killed_at_once_come_back_without_a_person(trio: Stack) -> None:
    trio.until_ready()
    until("all three are online", lambda: is_safe(trio), 120)
    ledger = trio.ledger()
    with ledger.trickle():
        for pod in trio.kubectl.pods(trio.name, "db"):
            trio.kubectl.signal_container(str(pod["metadata"]["name"]), "mysqld")
        until("nobody leads", lambda: primary(trio) == "" or None, 30)
        until("all three are online again", lambda: is_safe(trio), 180)
    print(f"    {ledger.settle_and_balance()}")


def test_it_shrinks_to_one_under_load(trio: Stack) -> None:
    ledger = trio.ledger()
    with ledger.trickle():
        members(trio, 1)
        until("one pod is left", lambda: (len(trio.kubectl.pods(trio.name, "db")) == 1) or None, 180)
        trio.until_condition("DurabilitySatisfied", "False", 60)
        until("nothing is left to do", lambda: ("journal" not in trio.resource()["status"]) or None, 60)
    print(f"    {ledger.settle_and_balance()}")
    claim = trio.resource()["status"]["database"]["claim"]
    assert claim["members"] == ["shop-db-0-0"]
