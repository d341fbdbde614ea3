"""What may be done to a database, as values: `decide` makes them, `act.database.execute` carries them out.

Every step can be repeated: it checks what it finds and does what is left. None destroys rows that exist only there.
"""

from dataclasses import dataclass, field

from hcs_operator.api.database import Access, Instance
from hcs_operator.api.observed import Reason


@dataclass(frozen=True)
class Claim:
    """Write into status, conditionally on its resourceVersion, which member bears which group. Always the first."""

    namespace: str
    stack: str
    uid: str
    seed: str
    epoch: int
    group_name: str


@dataclass(frozen=True)
class Found:
    """Found the claimed group on its seed: write the `hcs_meta.member_group` row, by which the seed's agent bootstraps.

    Refused by an instance that holds transactions or another group's row, and once status says that it was done.
    """

    claim: Claim
    seed: Instance

    @property
    def epoch(self) -> int:
        """Rises with each founding."""
        return self.claim.epoch

    @property
    def group_name(self) -> str:
        """UUID of the group."""
        return self.claim.group_name


@dataclass(frozen=True)
class Clone:
    """Start `CLONE INSTANCE` on a reader and leave it running; its mysqld ends and is restarted over the copy.

    Refused unless the donor, asked once more, has each transaction that the reader has.
    """

    reader: Instance
    donor: Instance
    replication: Access = field(repr=False, compare=False)


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
    """Set super_read_only on a reader that an interrupted step has left open."""

    reader: Instance


@dataclass(frozen=True)
class Recreate:
    """Delete a pod so that its StatefulSet makes it anew from the current template (they are OnDelete)."""

    namespace: str
    pod: str
    uid: str
    why: str


Step = Claim | Found | Clone | Follow | Resume | Quiesce | Close | Recreate

SqlStep = Found | Clone | Follow | Resume | Quiesce | Close
"""Steps that go to an instance; the others go to the API server."""


def subject(step: Step) -> str:
    """Name the instance that a step is about."""
    match step:
        case Claim():
            return step.seed
        case Found():
            return step.seed.name
        case Recreate():
            return step.pod
    return step.reader.name


def failing(step: Step, word: str, error: str) -> Reason:
    """Tell of a step that fails at each look; `word` and `error` are the instance's."""
    match step:
        case Clone():
            what = "given a copy of the data"
        case Follow() | Resume():
            what = "made to follow the primary"
        case Close():
            what = "closed to writes"
        case Quiesce():
            return Reason(word, f"The replication of {step.reader.name} cannot be stopped: {error}")
        case Claim() | Found() | Recreate():
            return Reason(word, f"The database cannot be set up on {subject(step)}: {error}")
    name = step.reader.name
    remedy = f"if that does not pass, delete the volume claim and the pod of {name}: it is copied anew"
    return Reason(word, f"{name} cannot be {what}: {error.rstrip('.')}; {remedy}")
