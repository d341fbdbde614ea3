"""Taking a reader out: replication is stopped, so its heartbeat ages, the services leave it, and the count can fall.

The drain's start is in the journal, so that a restarted operator does not wait anew.
"""

from typing import NamedTuple

from hcs_operator.api.database import InstanceView
from hcs_operator.decide.database.steps import Quiesce


class Drain(NamedTuple):
    """How far one reader's leaving has come."""

    done: bool
    reason: str
    step: Quiesce | None = None


def drain(reader: InstanceView, started: float, now: float, *, max_lag: float, timeout: float) -> Drain:
    """Judge a reader that is to leave since `started` (Unix seconds).

    It is done when its replication stands still for longer than maxLag (by then each service has left it) and nobody
    executes a read; or when the timeout is over; or when neither we nor its own pod get an answer, as nobody can read
    from it then. One look without an answer says nothing of the reads that run in a pod that is ready.
    """
    facts, waited = reader.facts, now - started
    if facts is None:
        gone = not reader.pod.ready or waited >= timeout
        return Drain(done=gone, reason="it does not answer")
    channel = facts.channel
    if channel and (channel.applying or channel.receiving != "OFF"):
        return Drain(done=False, reason="its replication is being stopped", step=Quiesce(reader.instance))
    if waited >= timeout:
        return Drain(done=True, reason=f"{facts.busy_reads} reads still ran after {timeout:.0f} s")
    if waited <= max_lag:
        return Drain(done=False, reason="the services are leaving it")
    if facts.busy_reads:
        return Drain(done=False, reason=f"{facts.busy_reads} reads still run")
    return Drain(done=True, reason="nobody reads from it")
