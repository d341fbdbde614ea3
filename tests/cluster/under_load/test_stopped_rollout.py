"""A change that keeps mysqld from starting costs one member of the sample stack's group of three, stops there and says so;
reverting the spec heals it. Under load, and nobody else is restarted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.cluster import members
from tests.cluster.conftest import Stack
from tests.cluster.kubectl import until
from tests.cluster.ledger import Ledger

pytestmark = pytest.mark.cluster

UNKNOWN = "no_such_setting"
"""mysqld does not start with a key that it does not know."""


@pytest.fixture
def trio(shop: Stack, load: Ledger) -> Iterator[Stack]:
    """The sample stack without replicas, which would be the first to be made anew, and the last: the change stops there."""
    spec = shop.resource()["spec"]
    before: dict[str, Any] = {
        "autoscaling": {"mode": spec["autoscaling"]["mode"]},
        "readReplicas": {"replicas": spec["readReplicas"]["replicas"]},
    }
    try:
        shop.patch({"autoscaling": {"mode": "Off"}, "readReplicas": {"replicas": 0}})
        until("no replica is left", lambda: not shop.kubectl.pods("shop", "replica") or None, 120)
        members.until_safe(shop)
        shop.until_condition("Reconciling", "False", 120)
        yield shop
    finally:
        shop.patch(before)
    until("there is a replica again", lambda: shop.kubectl.pods("shop", "replica") or None, 180)
    until("it serves", lambda: _replica_serves(shop) or None, 180)
    shop.until_condition("Reconciling", "False", 120)


def _replica_serves(stack: Stack) -> bool:
    """By its name in the status: while there is none, replication is healthy."""
    instances = stack.resource()["status"]["database"]["instances"]
    return any(it["role"] == "reader" and it["readEligible"] for it in instances)


def uids(stack: Stack) -> dict[str, str]:
    """Each member's pod."""
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in stack.kubectl.pods(stack.name, "db")}


def set_to(stack: Stack, value: str | None) -> None:
    stack.patch({"database": {"config": {UNKNOWN: value}}})


def stopped(stack: Stack) -> dict[str, Any] | None:
    found = stack.condition("Stalled")
    return found if found.get("reason") == "RolloutStopped" else None


def test_the_first_member_that_does_not_start_stops_the_change_and_reverting_the_spec_heals_it(
    trio: Stack, load: Ledger
) -> None:
    before, leader = uids(trio), members.primary(trio)
    try:
        with load.during("a setting that mysqld does not start with"):
            set_to(trio, "1")
            told = until("it is told that the change has stopped", lambda: stopped(trio), 180)
            load.until_acknowledged(100, "since it has stopped", 60)
        (broken,) = {name for name, uid in uids(trio).items() if uid != before[name]}
        assert told["status"] == "True"
        assert told["message"].startswith(f"{broken} does not run with the new template: ")
        assert broken != leader
        assert members.primary(trio) == leader
        assert members.online(trio) == 2
        assert trio.condition("Ready")["status"] == "True"
    finally:
        set_to(trio, None)
    with load.during("the spec is reverted"):
        members.until_safe(trio)
        trio.until_condition("Stalled", "False", 60)
        trio.until_condition("Reconciling", "False", 120)
    after = uids(trio)
    assert {name for name, uid in after.items() if uid != before[name]} == {broken}
    assert members.primary(trio) == leader


def test_a_setting_that_mysqld_takes_while_it_runs_restarts_nobody(shop: Stack, load: Ledger) -> None:
    members.until_safe(shop)
    shop.until_condition("Reconciling", "False", 120)
    before = shop.uids()
    with load.during("a setting is changed"):
        shop.patch({"database": {"config": {"long_query_time": "0.5"}}})
        until("every server has it", lambda: _everywhere(shop, "0.500000") or None, 60)
        shop.patch({"database": {"config": {"long_query_time": None}}})
        until("every server has its default again", lambda: _everywhere(shop, "10.000000") or None, 60)
    assert shop.uids() == before


ASKED = """
from hcs_operator.mysql.session import over_socket
with over_socket("/run/mysqld/mysqld.sock") as session:
    print(session.one("SELECT @@GLOBAL.long_query_time AS value")["value"])
"""


def _everywhere(stack: Stack, value: str) -> bool:
    pods = [*stack.kubectl.pods(stack.name, "db"), *stack.kubectl.pods(stack.name, "replica")]
    asked = ("--container=agent", "--", "python3", "-c", ASKED)
    said = (stack.kubectl.run("exec", pod["metadata"]["name"], *asked) for pod in pods)
    return {f"{float(it):.6f}" for it in said} == {value}
