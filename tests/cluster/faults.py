"""The faults: each is done to the sample stack's group of three, with the operator or without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cluster import members
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
FAULTS = {
    "hand-over": Fault("≤ 1, no failed request", handed_over),
    "primary's pod deleted": Fault("≤ 1.5", members.deleted),
    "primary killed (-9)": Fault(FAILOVER, members.killed),
    "primary hung (SIGSTOP)": Fault(FAILOVER, members.hung),
    "primary killed, operator away": Fault(FAILOVER, members.killed, operator_away=True),
    "primary hung, operator away": Fault(FAILOVER, members.hung, operator_away=True),
    "all members killed": Fault("back without a person", members.all_killed),
    "reader killed": Fault("no gap", reader_killed),
}
