"""What the agent does next: pure, one thing at a time, from what it has just seen and the little it remembers."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hcs_operator.agent.seen import AGAIN_SECONDS, EXPELS_AT_ONCE, EXPELS_LATER, Local, Memory, Others
from hcs_operator.api.database import MemberGroup, Role


@dataclass(frozen=True)
class SetUp:
    """Set accounts and own tables on this instance alone, and a member's recovery channel."""

    denied: frozenset[str]


@dataclass(frozen=True)
class Settle:
    """Note that the accounts are right."""


@dataclass(frozen=True)
class Rotate:
    """Give accounts their new password on the primary, the old one beside it."""

    denied: frozenset[str]


@dataclass(frozen=True)
class Discard:
    """End the old passwords."""

    users: frozenset[str]


@dataclass(frozen=True)
class ReloadTls:
    """Have mysqld read its certificate files again."""


@dataclass(frozen=True)
class RenewChannel:
    """Give the reader's channel the mounted password, or the one by which a member joins the others."""


@dataclass(frozen=True)
class Bootstrap:
    """Take up the group of one that this data directory says it is."""

    group_name: str


@dataclass(frozen=True)
class Join:
    """START GROUP_REPLICATION towards the others, in a turn that the leader gives; never founds anything."""

    group_name: str
    seeds: tuple[str, ...]
    leader: str


@dataclass(frozen=True)
class ExpelAfter:
    """Have mysqld wait so many seconds more before it has somebody silent expelled."""

    seconds: int


@dataclass(frozen=True)
class Leave:
    """STOP GROUP_REPLICATION, so that a group of one that ended in ERROR can be taken up again."""


@dataclass(frozen=True)
class CloseBootstrap:
    """Take back a bootstrap_group that somebody's death has left on."""


@dataclass(frozen=True)
class OpenGroup:
    """Commit that nobody may bootstrap alone: this primary is not alone, whoever said so last."""


@dataclass(frozen=True)
class Wait:
    """Nothing to do, and why."""

    why: str


Act = (
    SetUp
    | Settle
    | Rotate
    | Discard
    | ReloadTls
    | RenewChannel
    | Bootstrap
    | Join
    | ExpelAfter
    | Leave
    | CloseBootstrap
    | OpenGroup
    | Wait
)


def decide(local: Local, memory: Memory) -> Act:
    """Return the next act: that of the first check that has one."""
    chain = _MEMBER if local.role is Role.MEMBER else _READER
    return next(act for check in chain if (act := check(local, memory)) is not None)


def begun(act: Act, local: Local, memory: Memory) -> Memory:
    """Return what is remembered of an act before it is tried: it may fail."""
    return replace(memory, tried=local.clock) if isinstance(act, Join) else memory


Check = Callable[[Local, Memory], Act | None]


def _pod_stops(local: Local, _: Memory) -> Act | None:
    return Wait("the pod is stopping") if local.stopping else None


def _clone_runs(local: Local, _: Memory) -> Act | None:
    return Wait("a clone is being received") if local.cloning else None


def _new_certificate(local: Local, memory: Memory) -> Act | None:
    return ReloadTls() if local.certificate != memory.loaded_certificate else None


def _reader_accounts(local: Local, memory: Memory) -> Act | None:
    if memory.settled == local.now:
        return None
    if local.denied and local.replicating:
        return Wait("new passwords come by replication")
    return SetUp(local.denied) if local.denied or memory.settled.run != local.now.run else Settle()


def _channel(local: Local, _: Memory) -> Act | None:
    """The new password is good at the source once it has come by replication, that is when the accounts are settled."""
    return None if local.channel_password_current else RenewChannel()


def _group_changes(local: Local, _: Memory) -> Act | None:
    return Wait("the group's state is being changed") if local.group.changing else None


def _forgotten_bootstrap(local: Local, _: Memory) -> Act | None:
    return CloseBootstrap() if local.bootstrap_flag else None


def _in_error(local: Local, memory: Memory) -> Act | None:
    """STOP only with a majority in sight: without one it blocks for a minute and ends what the engine tries itself."""
    if local.group.state != "ERROR":
        return None
    solo = local.member_group is not None and local.member_group.solo
    visible = solo or local.others.seeds
    if visible and _due(local, memory):
        return Leave()
    if local.expel_timeout != EXPELS_LATER:
        return ExpelAfter(EXPELS_LATER)  # the engine tries by itself to join again
    if visible:
        return Wait("the member is in ERROR; it leaves and joins again soon")
    return Wait("the member is in ERROR, and no majority of the group is visible")


def _offline_accounts(local: Local, memory: Memory) -> Act | None:
    return SetUp(local.denied) if local.group.state == "OFFLINE" and memory.settled != local.now else None


def _offline(local: Local, memory: Memory) -> Act | None:
    if local.group.state != "OFFLINE":
        return None
    if not local.named:
        return Wait("the pod's own name does not resolve to its address yet")
    row = local.member_group
    if row is None:
        return Wait("no group was founded here")
    if row.solo and not local.others.seeds:
        return Bootstrap(row.group_name)
    why = _kept_out(local.others, row)
    if why is None and not _due(local, memory):
        why = "it tries to join again soon"
    return Wait(why) if why else Join(row.group_name, local.others.seeds, local.others.leader)


def _kept_out(others: Others, row: MemberGroup) -> str | None:
    if not others.seeds:
        return "no majority of the group is visible"
    if others.group_name != row.group_name:
        return f"the others are group {others.group_name}, this data is of {row.group_name}"
    if not others.admits:
        return "the group admits nobody yet"
    if not others.settled:
        return "the group has not expelled yet whoever fell"
    if not others.leader:
        return "nobody leads the group that could give the turn to join"
    return "another member is joining" if others.joining else None


def _due(local: Local, memory: Memory) -> bool:
    return local.clock - memory.tried >= AGAIN_SECONDS


def _not_online(local: Local, _: Memory) -> Act | None:
    return Wait(f"the member is {local.group.state}") if local.group.state != "ONLINE" else None


def _no_newcomer(local: Local, _: Memory) -> Act | None:
    return ExpelAfter(EXPELS_AT_ONCE) if local.expel_timeout != EXPELS_AT_ONCE else None


def _in_company(local: Local, _: Memory) -> Act | None:
    solo = local.member_group is not None and local.member_group.solo
    return OpenGroup() if solo and local.group.leads and local.group.total > 1 else None


def _online_accounts(local: Local, memory: Memory) -> Act | None:
    if memory.settled == local.now:
        return None
    if not local.denied:
        return Settle()
    return Rotate(local.denied) if local.group.leads else Wait("new passwords come from the primary")


def _old_passwords(local: Local, _: Memory) -> Act | None:
    return Discard(local.old_passwords) if local.old_passwords and local.group.leads else None


def _at_rest(_local: Local, _memory: Memory) -> Act:
    return Wait("all is as it should be")


_READER: tuple[Check, ...] = (_pod_stops, _clone_runs, _new_certificate, _reader_accounts, _channel, _at_rest)
_MEMBER: tuple[Check, ...] = (
    _pod_stops,
    _clone_runs,
    _new_certificate,
    _group_changes,
    _forgotten_bootstrap,
    _in_error,
    _offline_accounts,
    _offline,
    _not_online,
    _no_newcomer,
    _in_company,
    _online_accounts,
    _channel,
    _old_passwords,
    _at_rest,
)
