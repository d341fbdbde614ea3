"""Readers: from an empty volume to a copy that follows the group, and out again.

Each reader is judged by what it is found to be, so a restarted operator goes on where the last one stopped. A reader's
data is replaced by a clone only when it is empty, or when the primary has all of it and no binary log leads on from it.
"""

from collections.abc import Mapping
from typing import NamedTuple

from hcs_operator.api.database import Access, Channel, DatabaseView, Facts, Instance, InstanceView, Role
from hcs_operator.api.observed import Reason
from hcs_operator.decide.database import errant
from hcs_operator.decide.database.copying import Care, cloning, copy, donors, source
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.steps import Close, Follow, Resume

_ACCESS_DENIED = 1045
_NO_BINARY_LOG = {1236, 13114}
"""The source no longer has what the reader needs; 13114 is how 8.4 and later wrap it."""
_CONNECTING = {2002, 2003, 2005, 2006, 2013, 2026, 3159, 1040, 1129, 13117}
"""Receiver errors that the engine itself keeps retrying."""


class Surroundings(NamedTuple):
    """What the care for one reader needs to know of the others."""

    leader: InstanceView
    group_name: str
    donor: InstanceView | None
    """None while the only possible donors are busy with another clone."""
    replication: Access
    online: tuple[InstanceView, ...]
    """The members that are in the group."""
    policy: errant.Policy


def _follows(facts: Facts | None) -> bool:
    channel = facts.channel if facts else None
    return channel is not None and channel.receiving == "ON" and channel.applying


def donor(view: DatabaseView, leader: InstanceView, eligible: frozenset[str]) -> InstanceView | None:
    """Return the least loaded healthy reader, else what a member is copied from; None while a clone is under way."""
    readers = [reader for reader in view.of(Role.READER) if reader.instance.name in eligible and _follows(reader.facts)]
    return source(view, readers or donors(view, leader))


def care(reader: InstanceView, around: Surroundings) -> Care:
    """Judge one reader while a primary is known."""
    facts = reader.facts
    if facts is None:
        return Care("Unreachable", reader.unreachable.message)
    if cloning(facts):
        return Care("Cloning", "a copy is being made", operation=Operation.CLONE_READER)
    if not facts.gtid_executed and facts.member_group is None:
        return copy(reader, facts, around.donor, around.replication, "its volume is empty")
    if own := around.policy.strays.get(reader.instance.name):
        return errant.care(reader, facts, own, around.policy, around.donor)
    channel = facts.channel
    if channel is None or not channel.owned or channel.managed_group != around.group_name:
        return Care(
            "Cloned",
            "its channel is being set up",
            _follow(reader.instance, around.leader, around),
            Operation.CLONE_READER,
        )
    return _channel(reader, facts, channel, around)


def _channel(reader: InstanceView, facts: Facts, channel: Channel, around: Surroundings) -> Care:
    if channel.error_number == _ACCESS_DENIED:
        step = _follow(reader.instance, around.leader, around)
        return Care("Reconnecting", "its source refuses its password; it is given the current one", step)
    if channel.error_number in _NO_BINARY_LOG:
        return _without_binary_log(reader, facts, around)
    if channel.error_number and channel.error_number not in _CONNECTING and not channel.applying:
        return Care("Broken", f"error {channel.error_number}: {channel.error}", problem=_broken(reader, channel))
    return _healthy(reader, facts, channel)


def _healthy(reader: InstanceView, facts: Facts, channel: Channel) -> Care:
    if channel.receiving == "OFF" or not channel.applying:
        return Care("Stopped", "its replication is started again", Resume(reader.instance))
    if not facts.super_read_only and not facts.opened:
        return Care("Following", "it is closed to writes again", Close(reader.instance))
    if channel.receiving == "CONNECTING":
        return Care("Connecting", channel.error or f"looking for its source {channel.source}")
    return Care("Following")


def _without_binary_log(reader: InstanceView, facts: Facts, around: Surroundings) -> Care:
    """Find a source that still has what the reader needs; a new copy only when there is none."""
    own = GtidSet.parse(facts.gtid_executed)
    for member in around.online:
        current = facts.channel and facts.channel.source == member.instance.host
        if not current and member.facts and GtidSet.parse(member.facts.gtid_purged) <= own:
            return Care(
                "Reconnecting",
                f"{member.instance.name} still has what it lacks",
                _follow(reader.instance, member, around),
            )
    return copy(reader, facts, around.donor, around.replication, "no member has the binary logs that it lacks")


def _follow(reader: Instance, source: InstanceView, around: Surroundings) -> Follow:
    return Follow(reader, source.instance, around.group_name, around.replication)


def _broken(reader: InstanceView, channel: Channel) -> Reason:
    name = reader.instance.name
    return Reason(
        "ReaderBroken",
        f"{name} cannot apply what the primary did (error {channel.error_number}: {channel.error}). Its rows differ "
        "from the primary's: delete its volume claim and its pod, and it is copied anew. Nothing was changed.",
    )


def lagging(states: Mapping[str, Care], eligible: frozenset[str]) -> tuple[str, ...]:
    """Name the readers that follow but are not fresh enough to serve."""
    return tuple(name for name, it in states.items() if it.state == "Following" and name not in eligible)
