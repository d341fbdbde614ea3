"""What the agent sees of its member and of the others, and what it remembers from one look to the next."""

from dataclasses import dataclass, field

from hcs_operator.api.database import GroupState, MemberGroup, Role

OLD_PASSWORD_SECONDS = 600.0
"""How long an old password goes on working: longer than a changed Secret takes to reach every pod (a minute or two)."""

AGAIN_SECONDS = 10.0
"""Between two tries to join: each one, also one that is refused, changes the group's view and stalls its writes."""

NEVER = -AGAIN_SECONDS
"""When it last tried if it has not."""

EXPELS_AT_ONCE, EXPELS_LATER = 0, 5
"""Values of `group_replication_member_expel_timeout`: seconds for which somebody may be silent beyond the 5 s by which
that is noticed. A newcomer takes whom it has not heard yet for silent: two of them at once have a majority, and would
expel a primary that is too busy to greet them (docs/adr/0022).
"""


@dataclass(frozen=True)
class Started:
    """Which run of mysqld with which password files the accounts were last seen right for."""

    run: str = ""
    files: str = ""


@dataclass(frozen=True)
class Memory:
    """All that the agent keeps from one look to the next; lost with it, and rebuilt."""

    settled: Started = field(default_factory=Started)
    loaded_certificate: str = ""
    tried: float = NEVER
    """When it last tried to join, by `Local.clock`."""


@dataclass(frozen=True)
class Others:
    """The group as a peer tells of it that is ONLINE in a majority, the one that leads if it answers; else empty."""

    seeds: tuple[str, ...] = ()
    """host:port of its ONLINE members."""
    group_name: str = ""
    admits: bool = False
    """Nobody in it may bootstrap alone any more: a second one of it cannot come up."""
    settled: bool = True
    """It has expelled whoever fell, this member's last run included: a join before then times out after 90 s."""
    leader: str = ""
    """Address of the member that leads, which gives out the turns to join."""
    joining: bool = False
    """Another member has the turn. Two that join at once stop the group's writes until both answer, and outvote it."""


@dataclass(frozen=True)
class Local:
    """What the agent sees of its own mysqld."""

    role: Role
    now: Started
    group: GroupState
    member_group: MemberGroup | None
    bootstrap_flag: bool
    cloning: bool
    stopping: bool
    """The pod is on its way out: its preStop hook has left the group."""
    named: bool
    """The pod's own full name resolves to the pod's own address."""
    others: Others
    """Asked only while this member is in no group."""
    clock: float
    """Seconds of a clock that only runs forward."""
    certificate: str
    """Fingerprint of the mounted certificate files."""
    denied: frozenset[str] = frozenset()
    """Accounts that do not accept their mounted password; asked only while the accounts are not settled."""
    old_passwords: frozenset[str] = frozenset()
    """Accounts whose old password still works and has for longer than OLD_PASSWORD_SECONDS."""
    replicating: bool = False
    """A reader's channel receives and applies."""
    expel_timeout: int = EXPELS_AT_ONCE
    """Seconds, as mysqld has it now."""
    channel_password_current: bool = True
    """A reader's channel, or the one by which a member joins, logs in with the mounted password."""
