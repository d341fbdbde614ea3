"""The faults, by name: each is done to a group of three or to a queue of three, with the operator or without it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tests.cluster import brokers, members, nodes, reliability, volumes
from tests.cluster.conftest import Stack, without_operator
from tests.cluster.ledger import Ledger
from tests.cluster.reliability import Series

HAND_OVER = """
from hcs_operator.mysql.session import over_socket
with over_socket("/run/mysqld/mysqld.sock", statement_seconds=30) as session:
    other = session.one(
        "SELECT MEMBER_ID AS uuid FROM performance_schema.replication_group_members"
        " WHERE MEMBER_STATE = 'ONLINE' AND MEMBER_ROLE = 'SECONDARY' LIMIT 1"
    )
    session.query("SELECT group_replication_set_as_primary(%s)", other["uuid"])
"""


@dataclass(frozen=True)
class Fault:
    """What is done to whom, and the gap that it may cost."""

    target: str
    inflict: members.Loss
    operator_away: bool = False
    fails_none: bool = False
    """Whether every request must get a sure answer at once."""
    enough: int = 20
    """How many runs prove it."""
    prepare: Callable[[Stack], None] = lambda _: None
    stack: str = "shop"
    """Which stack suffers it: the sample stack with its group of three, or `held` with its queue of three."""
    victim: Callable[[Stack], str] = members.primary
    """Finds the pod that it is done to."""
    until_whole: Callable[[Stack], None] = members.until_safe
    """Waits until nothing of an earlier fault is left to heal."""


def suffered(stack: Stack, name: str, count: int) -> Series:
    """What the ledger of 20 orders and 5 tasks a second says once the fault was done so many times, and healed."""
    ledger, began = stack.ledger(), datetime.now(UTC)
    with ledger.trickle():
        gaps = [_run(stack, name, ledger) for _ in range(count)]
    balance = ledger.settle_and_balance()
    print(f"    {name}, {count} times: {balance}")
    assert not (FAULTS[name].fails_none and balance.unknown), f"{balance.unknown} requests failed at first"
    at_service, at_client = ([gap[side] for gap in gaps] for side in (0, 1))
    return Series(
        name, began.date().isoformat(), balance.acknowledged, balance.refused, balance.unknown, at_service, at_client
    )


def _run(stack: Stack, name: str, ledger: Ledger) -> tuple[float, float]:
    """The longest gaps, in seconds: between the write API's answers, and between those that the client got."""
    fault = FAULTS[name]
    fault.until_whole(stack)
    fault.prepare(stack)
    victim, began, since = fault.victim(stack), datetime.now(UTC), time.monotonic()
    with (
        ledger.during(f"{name}: {victim}"),
        without_operator(stack.kubectl) if fault.operator_away else nullcontext(),
        fault.inflict(stack, victim),
    ):
        ledger.until_acknowledged(100, "since the fault", 120)
    fault.until_whole(stack)  # until then a node that was killed may not answer for its pods' logs
    return reliability.longest_gap(stack.log("write-api", began)), ledger.longest_gap(since)


@contextmanager
def handed_over(stack: Stack, pod: str) -> Iterator[None]:
    """A secondary is made the primary."""
    stack.kubectl.run("exec", pod, "--container=agent", "--", "python3", "-c", HAND_OVER)
    yield


@contextmanager
def reader_killed(stack: Stack, _: str) -> Iterator[None]:
    """A reader's mysqld is killed with -9."""
    reader = str(stack.kubectl.pods(stack.name, "replica")[0]["metadata"]["name"])
    stack.kubectl.signal_container(reader, "mysqld")
    yield


def _survive_a_node(stack: Stack) -> None:
    """Has two of each tier, each on a node of its own, and what the load is held against where no fault comes."""
    nodes.hold_the_samples(stack.kubectl)
    stack.patch({tier: {"replicas": 2} for tier in ("gateway", "writeApi", "asyncApi", "readApi")})
    stack.until_ready()
    stack.until_condition("Reconciling", "False", 120)


FAILOVER = "≤ 8 median, ≤ 10 worst"
ALONE = "back without a person"
FAULTS = {
    "hand-over": Fault("≤ 1, no failed request", handed_over, fails_none=True),
    "primary's pod deleted": Fault("≤ 1.5", members.deleted),
    "primary killed (-9)": Fault(FAILOVER, members.killed),
    "primary hung (SIGSTOP)": Fault(FAILOVER, members.hung),
    "primary's node killed": Fault(FAILOVER, nodes.killed, prepare=nodes.make_expendable),
    "primary's node cut off": Fault(FAILOVER, nodes.cut_off, prepare=nodes.make_expendable),
    "primary's node muted": Fault(FAILOVER, nodes.muted, prepare=nodes.make_expendable),
    "primary's volume full for 20 s": Fault(ALONE, volumes.full, prepare=volumes.give_the_primary_a_small_one),
    "primary's volume lost": Fault(FAILOVER, volumes.lost),
    "both secondaries killed": Fault(ALONE, members.others_killed),
    "all members killed": Fault(ALONE, members.all_killed),
    "every member replaced in turn": Fault("no failed request", members.rolled, fails_none=True),
    "grown from one to three": Fault("no gap", members.grown, prepare=members.make_one, enough=3),
    "joiner killed at two": Fault(ALONE, members.joiner_killed, prepare=members.make_one),
    "reader killed": Fault("no gap", reader_killed),
    "broker's node killed": Fault(
        "no task lost",
        nodes.killed,
        prepare=_survive_a_node,
        stack="held",
        victim=brokers.on_a_node_of_its_own,
        until_whole=brokers.until_whole,
    ),
}
FIRST_SIX = list(FAULTS)[:6]
FAULTS |= {f"{name}, operator away": replace(FAULTS[name], operator_away=True) for name in FIRST_SIX}
