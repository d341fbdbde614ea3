"""What may be done to a database, as values: `decide` makes them, `act.database.execute` carries them out.

Every step can be repeated: it checks what it finds and does what is left. None destroys rows that exist only there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from hcs_operator.api.database import Access, Instance
from hcs_operator.api.observed import Reason
from hcs_operator.decide.database.gtid import GtidSet


@dataclass(frozen=True)
class Claim:
    """Write into status who bears which group and who belongs to it: a compare and swap, always before any SQL.

    `before` is the claim that the decision was made on, as status has it; another one there by now is a Conflict.
    """

    namespace: str
    stack: str
    uid: str
    seed: str
    epoch: int
    group_name: str
    members: tuple[str, ...]
    """Whoever may hold an acknowledged write; recorded before it can join, struck off before it leaves for good."""
    before: Mapping[str, Any] | None = field(default=None, compare=False)
    former: tuple[str, ...] = ()
    """Names of groups that ended when members were given up: no volume of theirs is a member's any more."""
    loss: Mapping[str, Any] | None = field(default=None, compare=False)
    """`status.database.dataLoss`, written in the same stroke; None leaves what is there."""

    @property
    def written(self) -> dict[str, Any]:
        """`status.database.claim`."""
        return {
            "seed": self.seed,
            "epoch": self.epoch,
            "groupName": self.group_name,
            "members": list(self.members),
            **({"former": list(self.former)} if self.former else {}),
        }


@dataclass(frozen=True)
class Found:
    """Found the claimed group on its seed: write the `hcs_meta.member_group` row, by which the seed's agent bootstraps.

    Refused by an instance that holds transactions or another group's row, by another volume than was looked at, and
    once status says that it was done.
    """

    claim: Claim
    seed: Instance
    uuid: str
    """The seed's server_uuid: an empty volume that came in place of a lost one has another."""


@dataclass(frozen=True)
class Revive:
    """After an outage of all members: mark the claimed one, whose agent then bootstraps the group over its data.

    Refused by a row that already is of this epoch: a late step of another operator can't bring a second one up.
    """

    claim: Claim
    seed: Instance
    former: str = ""
    """The group that its row may name instead of the claimed one, when members were given up; the row is renamed."""


@dataclass(frozen=True)
class Halt:
    """STOP GROUP_REPLICATION on a member in ERROR, so that its auto-rejoin cannot meet a group that is revived.

    Also on one of a group that is given up, whatever it calls itself. SHUTDOWN would wait for as long (docs/adr/0011).
    """

    member: Instance


@dataclass(frozen=True)
class ApplyReceived:
    """Have a member that is in no group apply what it received from its last one; what is left is done at the next."""

    member: Instance
    received: GtidSet


@dataclass(frozen=True)
class OpenGroup:
    """Commit, on a primary that is alone, that it may not bootstrap by itself any more: then others may join."""

    leader: Instance


@dataclass(frozen=True)
class CloseGroup:
    """Note on a primary that is alone again that it may bootstrap by itself. Refused unless it is alone."""

    claim: Claim
    leader: Instance


@dataclass(frozen=True)
class HandOver:
    """Have another member lead; running transactions end first."""

    leader: Instance
    successor: Instance
    uuid: str
    """The successor's server_uuid."""
    why: str = field(default="it handed over", compare=False)
    """For the event that tells of the new primary."""


@dataclass(frozen=True)
class Export:
    """Save transactions that one instance alone has in a ConfigMap, which is nobody's: it outlives the stack.

    One that is there is read back and never written over. It is named after what the transactions do, not after their
    GTIDs: a copy keeps its server's uuid and counts from 1 again, so a GTID may come twice.
    """

    namespace: str
    stack: str
    instance: Instance
    errant: GtidSet
    at: str = field(compare=False)
    """When it was decided."""
    replication: Access = field(repr=False, compare=False)


@dataclass(frozen=True)
class Clone:
    """Start `CLONE INSTANCE` on an instance and leave it running; its mysqld ends and is restarted over the copy.

    Refused unless the donor, asked once more, has each transaction that the recipient has, but for those that an export
    keeps: it is compared with the recipient's own and read back first. Refused, too, once the recipient has anything
    else than at the look, and by a member that is in a group.
    """

    recipient: Instance
    executed: GtidSet
    """What the recipient had at the look: once it is a copy it has more, and may be the only one to have it."""
    donor: Instance
    replication: Access = field(repr=False, compare=False)
    export: Export | None = None

    @property
    def given_up(self) -> GtidSet:
        """Which transactions the recipient may lose."""
        return self.export.errant if self.export else GtidSet()


@dataclass(frozen=True)
class Follow:
    """Give a reader its managed channel to the group, whatever channel it had before, and start it."""

    reader: Instance
    source: Instance
    group_name: str
    replication: Access = field(repr=False, compare=False)


@dataclass(frozen=True)
class Resume:
    """START REPLICA on a reader whose channel is right but stopped."""

    reader: Instance


@dataclass(frozen=True)
class Quiesce:
    """STOP REPLICA on a reader that is to go: its heartbeat ages, and the services leave it."""

    reader: Instance


@dataclass(frozen=True)
class Close:
    """Set super_read_only on an instance that an interrupted step, or somebody, has left open.

    Refused by a member that is ONLINE: nothing would open a primary again.
    """

    instance: Instance


@dataclass(frozen=True)
class Tune:
    """Have a running server take settings that need no restart."""

    instance: Instance
    values: tuple[tuple[str, str], ...]
    """Names of `api.variables` and their values, each as a server shows it."""


@dataclass(frozen=True)
class Recreate:
    """Delete a pod so that its StatefulSet makes it anew from the current template (they are OnDelete)."""

    namespace: str
    pod: str
    uid: str
    why: str
    ready: bool
    """It goes only as its disruption budget allows, as in a drain. One that is not ready goes at once: it may be what
    uses the budget up, and serves nobody."""


GroupStep = Found | Revive | Halt | ApplyReceived | OpenGroup | CloseGroup | HandOver
SqlStep = GroupStep | Clone | Follow | Resume | Quiesce | Close | Tune
"""Steps that go to an instance; the others go to the API server."""

Step = Claim | Recreate | Export | SqlStep
Unfenced = Halt | Recreate
"""Nothing at their target refuses these when they come late: they are begun soon after their look, or not at all."""


def target(step: SqlStep) -> Instance:
    """Return the instance that the step is carried out at."""
    match step:
        case Found() | Revive():
            return step.seed
        case Halt() | ApplyReceived():
            return step.member
        case OpenGroup() | CloseGroup() | HandOver():
            return step.leader
        case Clone():
            return step.recipient
        case Follow() | Resume() | Quiesce():
            return step.reader
        case Close() | Tune():
            return step.instance
        case _:
            assert_never(step)


def subject(step: Step) -> str:
    """Name the instance that a step is about."""
    match step:
        case Claim():
            return step.seed
        case Recreate():
            return step.pod
        case Export():
            return step.instance.name
        case _:
            return target(step).name


_WHAT = {
    Clone: "given a copy of the data",
    Follow: "made to follow the primary",
    Resume: "made to follow the primary",
    Close: "closed to writes",
}
_WITHOUT_REMEDY = {
    Halt: "taken out of its group",
    ApplyReceived: "made to apply what it has received",
    OpenGroup: "opened for other members",
    CloseGroup: "made a group of one again",
    HandOver: "made to hand over",
    Revive: "made to take up the group",
    Tune: "given the settings of spec.database.config",
}


def failing(step: Step, word: str, error: str) -> Reason:
    """Tell of a step that fails at each look; `word` and `error` are the instance's."""
    name = subject(step)
    if isinstance(step, Quiesce):
        return Reason(word, f"The replication of {name} cannot be stopped: {error}")
    if isinstance(step, Export) or (isinstance(step, Clone) and step.export):
        remedy = (
            "save what is needed of them with mysqlbinlog, then delete its volume claim and its pod: it is copied anew"
        )
        return Reason(word, f"{name} keeps transactions of its own and is not rebuilt: {error.rstrip('.')}; {remedy}")
    if what := _WITHOUT_REMEDY.get(type(step)):
        return Reason(word, f"{name} cannot be {what}: {error}")
    if what := _WHAT.get(type(step)):
        remedy = f"if that does not pass, delete the volume claim and the pod of {name}: it is copied anew"
        return Reason(word, f"{name} cannot be {what}: {error.rstrip('.')}; {remedy}")
    return Reason(word, f"The database cannot be set up on {name}: {error}")
