"""For whose sake the group slows its writes: flow control lets through what the slowest member applies.

What a member has received and not applied is what clients wait for if it comes to lead, so the queue is bounded by
slowing writes. Each second the group compares its members' queues with the bound, a joiner's as well.
"""

from collections.abc import Mapping
from typing import Any

from hcs_operator.api.database import DatabaseView, Facts, InstanceView, Role
from hcs_operator.api.observed import Reason


def slowing(view: DatabaseView, leader: InstanceView | None, previous: Mapping[str, Any]) -> tuple[InstanceView, ...]:
    """Return the members with more to apply than the bound; one that had stays until it is half of that.

    `previous` is `status.database`. A queue that is held at the bound swings about it with each second's quota.
    """
    if leader is None or leader.facts is None or leader.facts.member_group is None:
        return ()
    name = leader.facts.member_group.group_name
    before = {it["name"] for it in previous.get("instances") or () if it.get("lagging")}
    counted = (it for it in view.of(Role.MEMBER) if it.facts and _is_counted(it.facts, name))
    return tuple(it for it in counted if it.facts and _is_over(it.facts, again=it.instance.name in before))


def _is_counted(facts: Facts, group_name: str) -> bool:
    row = facts.member_group
    return facts.group.state in {"ONLINE", "RECOVERING"} and (row is None or row.group_name == group_name)


def _is_over(facts: Facts, *, again: bool) -> bool:
    bound = facts.applier_bound
    return bound > 0 and facts.applier_queue > (bound // 2 if again else bound)


def throttled(members: tuple[InstanceView, ...]) -> Reason | None:
    """Say that writes are slowed, and by whom; the bound is told and not the queue, which changes each second."""
    if not members:
        return None
    names = ", ".join(it.instance.name for it in members)
    bound = max(it.facts.applier_bound for it in members if it.facts)
    words = (
        f"Writes are slowed to what {names} can apply: more than {bound} transactions wait there, and whoever comes to "
        "lead has to apply what waits before it answers."
    )
    return Reason("WritesThrottled", words)
