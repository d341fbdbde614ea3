"""The faults: each is done to the sample stack's group of three, with the operator or without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tests.cluster import members, nodes, volumes
from tests.cluster.balance import Balance
from tests.cluster.conftest import Stack

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
    """What is done to the primary, and the gap that it may cost."""

    target: str
    inflict: members.Loss
    operator_away: bool = False
    prepare: Callable[[Stack], None] = lambda _: None


def suffered(stack: Stack, fault: Fault) -> Balance:
    """What the ledger of 20 orders and 5 tasks a second says once the fault was done to the primary, and healed."""
    ledger = stack.ledger()
    with (
        ledger.trickle(),
        fault.inflict(stack, members.primary(stack)),
    ):
        ledger.until_acknowledged(100, "since the fault", 120)
    return ledger.settle_and_balance()


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


FAILOVER = "≤ 8 median, ≤ 10 worst"
ALONE = "back without a person"
FAULTS = {
    "hand-over": Fault("≤ 1, no failed request", handed_over),
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
    "joiner killed at two": Fault(ALONE, members.joiner_killed, prepare=members.make_one),
    "reader killed": Fault("no gap", reader_killed),
}
FIRST_SIX = list(FAULTS)[:6]
FAULTS |= {f"{name}, operator away": replace(FAULTS[name], operator_away=True) for name in FIRST_SIX}
