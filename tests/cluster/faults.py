"""The faults, by name: each is done to a group of three or to a queue of three, with the operator or without it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tests.cluster import brokers, members, nodes, reliability, volumes
from tests.cluster.balance import Balance
from tests.cluster.conftest import Stack, without_operator
from tests.cluster.ledger import Ledger
from tests.cluster.reliability import Series, Target

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

    target: Target
    inflict: members.Loss
    operator_away: bool = False
    fails_none: bool = False
    """Whether every write must get a sure answer at once, and every read an answer."""
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
    gaps: list[tuple[float, float]] = []
    wrong: list[str] = []
    balance = Balance()
    with _noted(wrong, "a run failed"), ledger.trickle():
        for _ in range(count):
            gaps.append(_run(stack, name, ledger))
    with _noted(wrong, "the ledger was not counted"):
        balance = ledger.settle_and_count()
        wrong += balance.wrong
    print(f"    {name}, {count} times: {balance}", *wrong, sep="\n    ")
    if FAULTS[name].fails_none and (balance.unknown or balance.reads_failed):
        wrong.append(f"{balance.unknown} writes and {balance.reads_failed} reads failed at first")
    at_service, at_client = ([gap[side] for gap in gaps] for side in (0, 1))
    return Series(
        name,
        began.date().isoformat(),
        acknowledged=balance.acknowledged,
        refused=balance.refused,
        unknown=balance.unknown,
        gaps_at_service=at_service,
        gaps_at_client=at_client,
        lost=balance.lost,
        doubled=balance.doubled,
        wrong=reliability.in_a_line(wrong),
    )


@contextmanager
def _noted(wrong: list[str], what: str) -> Iterator[None]:
    """Prints and notes an error of the block."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is: the series failed, and that is to be on record
        traceback.print_exc()
        wrong.append(f"{what}: {type(error).__name__}: {error}")


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
    _have_two_of_each_tier(stack)


def _survive_a_drain(stack: Stack) -> None:
    """The same with the primary where it can be drained: a tier of one pod is away while that pod moves."""
    _have_two_of_each_tier(stack)
    nodes.make_expendable(stack)


def _have_two_of_each_tier(stack: Stack) -> None:
    stack.patch({tier: {"replicas": 2} for tier in ("gateway", "writeApi", "asyncApi", "readApi")})
    stack.until_ready()
    stack.until_condition("Reconciling", "False", 120)


BACK_OFF = (
    "the kubelets of clusters before 2026-11-30 start a container that ends again only after 10 s, 20 s, 40 s and more, "
    "and the gap has that in it; those since then wait 10 s at the most"
)
CHANGED = "a change of the group's members stalls commits for 0.5 to 3.6 s (docs/adr/0009)"
FAILOVER = Target(median=8, worst=10)
PLANNED = Target(worst=1, besides="no failed request")
NO_GAP = Target(worst=1)
ALONE = Target(besides="back without a person")
OUTAGE = replace(ALONE, reason=BACK_OFF)
FAULTS = {
    "hand-over": Fault(PLANNED, handed_over, fails_none=True),
    "primary's pod deleted": Fault(Target(worst=1.5), members.deleted),
    "primary killed (-9)": Fault(FAILOVER, members.killed),
    "primary hung (SIGSTOP)": Fault(FAILOVER, members.hung),
    "primary's node killed": Fault(FAILOVER, nodes.killed, prepare=nodes.make_expendable),
    "primary's node cut off": Fault(FAILOVER, nodes.cut_off, prepare=nodes.make_expendable),
    "primary's node muted": Fault(FAILOVER, nodes.muted, prepare=nodes.make_expendable),
    "primary's node drained": Fault(
        replace(PLANNED, reason=CHANGED), nodes.drained, prepare=_survive_a_drain, fails_none=True
    ),
    "primary's volume full for 20 s": Fault(ALONE, volumes.full, prepare=volumes.give_the_primary_a_small_one),
    "primary's volume lost": Fault(FAILOVER, volumes.lost),
    "both secondaries killed": Fault(OUTAGE, members.others_killed),
    "all members killed": Fault(OUTAGE, members.all_killed),
    "every member replaced in turn": Fault(replace(PLANNED, reason=CHANGED), members.rolled, fails_none=True),
    "grown from one to three": Fault(
        replace(NO_GAP, reason=CHANGED), members.grown, prepare=members.make_one, enough=3
    ),
    "joiner killed at two": Fault(OUTAGE, members.joiner_killed, prepare=members.make_one),
    "reader killed": Fault(NO_GAP, reader_killed),
    "broker's node killed": Fault(
        Target(besides="no task lost"),
        nodes.killed,
        prepare=_survive_a_node,
        stack="held",
        victim=brokers.on_a_node_of_its_own,
        until_whole=brokers.until_whole,
    ),
}
FIRST_SIX = list(FAULTS)[:6]
FAULTS |= {f"{name}, operator away": replace(FAULTS[name], operator_away=True) for name in FIRST_SIX}
