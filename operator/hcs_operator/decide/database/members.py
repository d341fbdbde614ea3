"""Members beside the primary: from an empty volume to a voter of the group, and back into it after a fall.

A member's agent joins by itself as soon as the group admits it; here it gets its data, and what keeps it out is named.
"""

from typing import NamedTuple

from hcs_operator.api.database import Access, Facts, InstanceView
from hcs_operator.api.observed import Reason
from hcs_operator.decide.database import errant
from hcs_operator.decide.database.copying import Care, cloning, copy
from hcs_operator.decide.database.operations import Operation
from hcs_operator.decide.database.steps import Halt

WAITS = "OFFLINE"
"""State of a member that has its data and waits to be let in."""


class Company(NamedTuple):
    """What the care for one member needs to know of the others."""

    group_name: str
    donor: InstanceView | None
    """None while another copy is being made."""
    replication: Access
    policy: errant.Policy


def care(member: InstanceView, around: Company) -> Care:
    """Judge one member that does not lead, while a primary is known."""
    facts = member.facts
    if facts is None:
        return Care("Unreachable", member.unreachable.message)
    if cloning(facts):
        return Care("Cloning", "a copy is being made", operation=Operation.CLONE_MEMBER)
    if of_one(around.policy.former, facts):
        return _of_a_former_group(member, facts, around)
    if problem := foreign(member, facts, around.group_name):
        return Care("Foreign", "its data is not of this group", problem=problem)
    return _in_the_group(facts) or _outside(member, facts, around)


def _in_the_group(facts: Facts) -> Care | None:
    if facts.group.state == "ONLINE":
        return Care("ONLINE")
    if facts.group.state == "RECOVERING":
        return Care("RECOVERING", "it catches up with the group", operation=Operation.JOIN_MEMBER)
    return None


def _outside(member: InstanceView, facts: Facts, around: Company) -> Care:
    if own := around.policy.strays.get(member.instance.name):
        return errant.care(member, facts, own, around.policy, around.donor)
    if facts.group.state == "ERROR":
        return Care("ERROR", "its agent has it leave and join again")
    if facts.member_group is None:
        return copy(member, facts, around.donor, around.replication, "its volume is empty")
    return Care(WAITS, "its agent joins the group as soon as it admits members")


def _of_a_former_group(member: InstanceView, facts: Facts, around: Company) -> Care:
    """It was given up and came back, or was left behind: it leaves that group, and is made a copy of this one."""
    why = "its group ended when members were given up"
    if facts.group.changing:
        return Care("FormerGroup", f"{why}; it leaves it", operation=Operation.CLONE_MEMBER)
    if facts.group.state != WAITS:
        return Care("FormerGroup", f"{why}; it leaves it", Halt(member.instance), Operation.CLONE_MEMBER)
    if own := around.policy.strays.get(member.instance.name):
        return errant.care(member, facts, own, around.policy, around.donor)
    return copy(member, facts, around.donor, around.replication, why)


def of_one(former: tuple[str, ...], facts: Facts) -> bool:
    """Say whether the data is of one of these groups."""
    return facts.member_group is not None and facts.member_group.group_name in former


def foreign(member: InstanceView, facts: Facts, group_name: str) -> Reason | None:
    """Say what is wrong with data that is not this group's; None when it is, or when there is none."""
    name, row = member.instance.name, facts.member_group
    if row is None and facts.gtid_executed:
        words = (
            f"The volume of {name} holds transactions, but not the mark of a group, so it was not made by this "
            f"operator. Give {name} an empty volume, or the one it had; nothing was changed."
        )
        return Reason("DataWithoutGroup", words)
    if row is not None and row.group_name != group_name:
        words = (
            f"The volume of {name} belongs to group {row.group_name}, this stack to {group_name}. "
            f"Give {name} its own volume back; nothing was changed."
        )
        return Reason("DataOfAnotherGroup", words)
    return None
