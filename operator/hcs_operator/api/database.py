"""What one look at a stack's database has seen: frozen values that `decide.database` judges.

An *instance* is one mysqld. *Members* form the Group Replication group; *readers* follow it asynchronously, outside it.
Three verdicts are kept apart: alive (answers SQL), in the group (ONLINE, with a role), read-eligible (fresh enough).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from hcs_operator.api.observed import Document, PodView, Reason

ROLE_LABEL = "highconcurrency.dev/role"
"""On pods: primary or secondary; the Service `<stack>-primary` selects by it."""
READ_LABEL = "highconcurrency.dev/read"
"""On pods: eligible; the Service `<stack>-read` selects by it."""
ERRANT = "highconcurrency.dev/errant"
"""On ConfigMaps with exported transactions. Label: whose they were; annotation: which they are, a GTID set."""
EXPORTED_AT = "highconcurrency.dev/exported-at"
"""Annotation of such a ConfigMap: when it was decided to save them."""
PROMOTE = "highconcurrency.dev/promote"
"""Annotation on the custom resource: the member that is to lead."""
ALLOW_DATA_LOSS = "highconcurrency.dev/allow-data-loss"
"""Annotation on the custom resource: the members that are lost for good, with commas between them."""
TEMPLATE_HASH = "highconcurrency.dev/template-hash"
"""Annotation on pod templates: all that matters to mysqld, the agent's image left out."""


def template_hash(workload: Document) -> str | None:
    """Return the hash in a workload's pod template; None where it carries none, as all but the database's do."""
    found: str | None = (workload["spec"]["template"]["metadata"].get("annotations") or {}).get(TEMPLATE_HASH)
    return found


class Role(StrEnum):
    """What a pod's mysqld is meant to be; equals the agent's `HCS_ROLE`."""

    MEMBER = "member"
    READER = "reader"


@dataclass(frozen=True)
class Access:
    """How to log in over TLS: account, password, and the authority (PEM) that issued the server's certificate."""

    user: str
    password: str = field(repr=False)
    ca: str = field(repr=False)


@dataclass(frozen=True)
class Instance:
    """One mysqld: `host` is the name in its certificate, `address` where it listens (the pod's IP)."""

    name: str
    role: Role
    host: str
    address: str
    access: Access = field(repr=False, compare=False)
    port: int = 3306


@dataclass(frozen=True)
class MemberGroup:
    """The row of `hcs_meta.member_group`: which group this data directory belongs to. It travels with the data."""

    group_name: str
    epoch: int
    solo: bool
    """This very instance may bootstrap the group by itself, since it is alone in it; no copy of its data may."""
    open: bool = False
    """Nobody may bootstrap alone any more, so others may join."""


@dataclass(frozen=True)
class GroupState:
    """The group in one instance's own view."""

    state: str
    """ONLINE, RECOVERING, OFFLINE, ERROR or UNREACHABLE, as the engine calls them."""
    role: str
    """PRIMARY, SECONDARY or empty."""
    online: int
    total: int
    changing: bool = False
    """A START or STOP GROUP_REPLICATION is being executed."""

    @property
    def leads(self) -> bool:
        """True when the instance sees itself as primary of a majority: the only test for "may be written to"."""
        return self.state == "ONLINE" and self.role == "PRIMARY" and 2 * self.online > self.total


@dataclass(frozen=True)
class Channel:
    """A reader's replication channel (the unnamed one)."""

    source: str
    """Host it reads from now; the engine changes it by itself when the source goes (managed failover)."""
    receiving: str
    """ON, CONNECTING or OFF."""
    applying: bool
    managed_group: str
    """Group name of its managed failover entry; empty when there is none."""
    owned: bool
    """False for what a clone carried over from its donor: the mark in `hcs_meta.channel_owner` names another server."""
    error_number: int = 0
    error: str = ""
    applying_seconds: float = 0.0
    """Age of the transaction being applied since its commit on the primary; 0 when the applier is idle."""


@dataclass(frozen=True)
class Heartbeat:
    """The row of `hcs.heartbeat` as this instance has it."""

    at: float
    """Unix seconds by the primary's clock."""
    age: float
    """Seconds since then by this instance's own clock."""


@dataclass(frozen=True)
class CloneState:
    """`performance_schema.clone_status` of the last CLONE INSTANCE this data directory saw as a recipient."""

    state: str
    """Not Started, In Progress, Completed or Failed."""
    error: str
    ended_seconds_ago: float | None
    """None while it runs."""


class Variable(NamedTuple):
    """A setting of a running server that it could be given another value of without a restart."""

    value: str
    """As performance_schema shows it."""
    ours: bool
    """It was started with it in my.cnf, or the operator has set it since: nobody else's hand, and not the default."""


@dataclass(frozen=True)
class Facts:
    """What an instance that answers SQL says about itself."""

    server_uuid: str
    version: str
    super_read_only: bool
    gtid_executed: str
    gtid_purged: str
    member_group: MemberGroup | None
    group: GroupState
    channel: Channel | None = None
    heartbeat: Heartbeat | None = None
    clone: CloneState | None = None
    busy_reads: int = 0
    """Sessions of `hcs_read` that are executing a statement."""
    opened: bool = False
    """Somebody has opened a closed server for a step and is at work on it."""
    applier_queue: int = 0
    """Transactions received by the group's applier and not yet applied."""
    applier_bound: int = 0
    """How many of them the group takes before it slows its writes; 0 where it never does."""
    received: str = ""
    """GTID set that a member has received from its group, applied or not; it outlives restarts."""
    variables: Mapping[str, Variable] = field(default_factory=dict, hash=False)
    """What `api.variables` has of this server."""


@dataclass(frozen=True)
class Exported:
    """A ConfigMap with transactions that one instance had of its own, by what is written on it."""

    config_map: str
    instance: str
    errant: str
    """GTID set."""
    at: str
    """When that was decided, as `2026-01-31T12:00:00Z`."""


@dataclass(frozen=True)
class InstanceView:
    """One instance: its pod, and either what it says (`facts`) or why it says nothing (`silence`)."""

    instance: Instance
    pod: PodView
    facts: Facts | None
    silence: Reason | None = None

    @property
    def unreachable(self) -> Reason:
        """Why it says nothing: its pod's trouble before the connection's."""
        return self.pod.problem or self.silence or Reason("Silent", "it does not answer")


@dataclass(frozen=True)
class Revision:
    """Which pod template of a StatefulSet is the current one."""

    name: str
    """`status.updateRevision`, compared with a pod's label controller-revision-hash."""
    fingerprint: str
    """The template's annotation highconcurrency.dev/template-hash: all that matters, the agent's image left out."""


@dataclass(frozen=True)
class DatabaseView:
    """The whole database of one stack at one look."""

    namespace: str
    stack: str
    uid: str
    """uid of the custom resource."""
    members_wanted: int
    max_lag: float
    """Seconds; `spec.readReplicas.maxLag`."""
    max_staleness: float
    """Seconds; `spec.database.maxStalenessDuringOutage`."""
    drain_timeout: float
    """Seconds; `spec.autoscaling.readReplicas.scaleIn.drainTimeout`."""
    promote: str = ""
    """The member that is to lead, by the resource's annotation; empty when none is asked for."""
    allow_data_loss: str = ""
    """The members that are lost for good, by the resource's annotation; empty when none is given up."""
    paused: bool = False
    """Nothing is changed."""
    errant: str = "Rebuild"
    """`spec.database.errant`: Rebuild, or Quarantine."""
    exports: tuple[Exported, ...] = ()
    instances: tuple[InstanceView, ...] = ()
    revisions: Mapping[Role, Revision] = field(default_factory=dict)
    absent: frozenset[Role] = frozenset()
    """Roles of which a pod that its StatefulSet wants is not there."""
    starts: Mapping[Role, Mapping[str, str | None]] = field(default_factory=dict)
    """What my.cnf has for the next start, of what needs none: by name, as a server shows it."""
    kept: tuple[str, ...] = ()
    """Readers' volume claims that outlive their stack, whether or not their pods exist."""
    unbound: frozenset[str] = frozenset()
    """Volume claims that no volume was ever bound to: what is to use them never ran, and holds nothing."""
    replication: Access | None = field(default=None, repr=False, compare=False)
    """Account `hcs_repl`, given to readers for clone and channel."""

    def of(self, role: Role) -> tuple[InstanceView, ...]:
        """Return the instances of one role in order of their ordinals."""
        return tuple(view for view in self.instances if view.instance.role is role)
