"""What each instance is worth now: who leads, who may serve reads, and how far a reader is behind."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hcs_operator.api.database import DatabaseView, InstanceView, Role

HEARTBEAT_STOPPED = 5.0
"""Seconds by the primary's own clock without a beat (there is one each second) after which beats say nothing of lag."""


class Verdict(NamedTuple):
    """One reader's freshness."""

    eligible: bool
    lag: float | None
    """Seconds; None when nothing tells."""


def primary(view: DatabaseView, group_name: str) -> InstanceView | None:
    """Return the member that leads a majority of this group and takes writes.

    With two that claim to lead there is none to rely on: one was cut off or frozen and does not know yet, and the one
    that really leads may be closed still, or not say yet which group it is of.
    """
    leading = [
        (member, member.facts, member.facts.member_group)
        for member in view.of(Role.MEMBER)
        if member.facts and member.facts.group.leads
    ]
    ours = [(it, facts, row) for it, facts, row in leading if row is None or row.group_name == group_name]
    return next((it for it, facts, row in ours if len(ours) == 1 and row and not facts.super_read_only), None)


def online(view: DatabaseView, leader: InstanceView | None) -> list[InstanceView]:
    """Return the members that are ONLINE by their own word: while somebody leads, in that group.

    One that was given up and is back may go on in its former group, and call itself ONLINE there.
    """
    led = leader.facts.member_group if leader and leader.facts else None
    found = (
        (it, it.facts.member_group) for it in view.of(Role.MEMBER) if it.facts and it.facts.group.state == "ONLINE"
    )
    return [it for it, row in found if led is None or row is None or row.group_name == led.group_name]


def counted_online(view: DatabaseView, leader: InstanceView | None) -> int:
    """Count the members that are ONLINE by their own word and, while somebody leads, by the primary's.

    One that was frozen or cut off still says so of itself for seconds after the group has gone on without it.
    """
    own = len(online(view, leader))
    return min(own, leader.facts.group.online) if leader and leader.facts else own


def secondaries(view: DatabaseView, leader: InstanceView) -> list[InstanceView]:
    """Return the other members of the leader's group that are ONLINE by their own word."""
    return [member for member in online(view, leader) if member is not leader]


def lag(reader: InstanceView, leader: InstanceView | None) -> float | None:
    """Return how many seconds a reader is behind: newest beat of the primary minus its own, never minus a clock.

    When the beat has stopped, or the table does not exist yet, the applier's backlog tells; None when it is stopped.
    """
    if not reader.facts or not leader or not leader.facts:
        return None
    channel = reader.facts.channel
    beat, own = leader.facts.heartbeat, reader.facts.heartbeat
    beats = beat is not None and beat.age < HEARTBEAT_STOPPED
    if beats and beat and own:
        return max(0.0, beat.at - own.at)
    if beats or channel is None or not channel.applying or channel.receiving != "ON":
        return None
    return channel.applying_seconds


def eligible(
    reader: InstanceView,
    leader: InstanceView | None,
    view: DatabaseView,
    previous: Mapping[str, Any] | None,
    unled: float = 0.0,
) -> Verdict:
    """Judge whether a reader may serve. `unled` is for how many seconds no primary has been known.

    It enters at half of maxLag and leaves beyond maxLag, so that it does not flap. While no primary is known its age is
    frozen: what served before goes on serving, or reads would vanish exactly when the primary dies. That ends after
    maxStalenessDuringOutage, except where its heartbeat goes on: then somebody leads whom we do not see.
    """
    before = bool(previous and previous.get("readEligible"))
    if not reader.facts or not reader.facts.channel or not reader.facts.channel.owned:
        return Verdict(eligible=False, lag=None)
    if leader is None:
        beat = reader.facts.heartbeat
        beats = beat is not None and beat.age < HEARTBEAT_STOPPED
        return Verdict(eligible=before and (beats or unled <= view.max_staleness), lag=None)
    seconds = lag(reader, leader)
    bound = view.max_lag if before else view.max_lag / 2
    return Verdict(eligible=seconds is not None and seconds <= bound, lag=seconds)
