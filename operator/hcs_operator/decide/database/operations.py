"""Words of the operations that take several looks: in `status.journal`, and as the reason of `Reconciling`."""

from enum import StrEnum


class Operation(StrEnum):
    """What is under way at the database."""

    RECOVER = "RecoverGroup"
    """Taking the group up again after an outage of all its members."""
    GROW = "GrowGroup"
    """Letting further members in."""
    SHRINK = "ShrinkGroup"
    """Striking members off."""
    CLONE_MEMBER = "CloneMember"
    """Copying the data to a member whose volume is empty."""
    JOIN_MEMBER = "JoinMember"
    """A member catches up with its group."""
    CLONE_READER = "CloneReader"
    """Copying the data to a reader, and having it follow."""
    DRAIN_READER = "DrainReader"
    """Taking a reader out of service before its pod goes."""
    PROMOTE = "PromoteMember"
    """Handing over to the member that the annotation asks for."""
    ROLL = "RollPods"
    """Bringing pods to the current template, one at a time."""
