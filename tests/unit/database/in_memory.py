"""A stack's database in memory, behind the operator's database port: a group of one, its agent, and readers.

A volume outlives its pod: data is kept by the pod's name until `lose_volume`. The agent is played, too: a member whose row says
that its group counts one member leads it at the next look.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.unit.database.binary_logs import transactions

from hcs_operator.api.database import Channel, CloneState, Facts, GroupState, Heartbeat, Instance, MemberGroup, Role
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.steps import (
    Clone,
    Close,
    Export,
    Follow,
    Found,
    Quiesce,
    Resume,
    SqlStep,
    target,
)
from hcs_operator.mysql import binlog
from hcs_operator.mysql.errors import DatabaseError, NotExported, Refused

LONG_AGO = 86400.0


@dataclass
class Volume:
    """What one data directory holds."""

    group: MemberGroup | None = None
    executed: str = ""
    own: str = ""
    """What of it only this instance has."""
    rows: bytes = b"INSERT"
    """What each of these transactions does."""
    channel: Channel | None = None
    clone: CloneState | None = None
    busy_reads: int = 0


@dataclass
class FakeDatabase:
    """`mysql.port.DatabasePort`. `performed` lists the steps in order; `silent` makes instances raise."""

    volumes: dict[str, Volume] = field(default_factory=dict)
    silent: dict[str, DatabaseError] = field(default_factory=dict)
    performed: list[SqlStep] = field(default_factory=list)
    exported: list[Export] = field(default_factory=list)
    commits: int = 1
    heartbeat: float | None = 0.0
    """The primary's newest beat; None while the table does not exist. Readers that follow have the same one."""
    lag: dict[str, float] = field(default_factory=dict)
    """Seconds by which a reader's beat is behind the primary's."""

    def volume(self, name: str) -> Volume:
        """The data of a pod's name; empty at the first sight."""
        return self.volumes.setdefault(name, Volume())

    def lose_volume(self, name: str) -> None:
        """The pod comes back with an empty volume."""
        self.volumes[name] = Volume()

    def stray(self, name: str, gtids: str) -> None:
        """Somebody writes to an instance past the group."""
        volume = self.volume(name)
        volume.own = ",".join(filter(None, [volume.own, gtids]))
        volume.executed = ",".join(filter(None, [volume.executed, gtids]))

    def commit(self) -> None:
        """The primary commits a transaction; readers that follow apply it at once."""
        self.commits += 1

    async def examine(self, instance: Instance) -> Facts:
        """What the instance says of itself."""
        if error := self.silent.get(instance.name):
            raise error
        volume = self.volume(instance.name)
        self._go_on(instance, volume)
        leads = instance.role is Role.MEMBER and volume.group is not None
        return Facts(
            server_uuid=instance.name,
            version="9.7.4",
            super_read_only=not leads,
            gtid_executed=volume.executed,
            gtid_purged="",
            member_group=volume.group,
            group=GroupState("ONLINE", "PRIMARY", 1, 1) if leads else GroupState("OFFLINE", "", 0, 1),
            channel=volume.channel,
            heartbeat=self._beat(instance),
            clone=volume.clone,
            busy_reads=volume.busy_reads,
        )

    async def perform(self, step: SqlStep) -> None:
        """Change the model as the step would change the instance."""
        instance = target(step)
        if error := self.silent.get(instance.name):
            raise error
        self.performed.append(step)
        volume = self.volume(instance.name)
        match step:
            case Found():
                self._found(step, volume)
            case Clone():
                self._clone(step, volume)
            case Follow():
                volume.channel = Channel(
                    step.source.host, "ON", applying=True, managed_group=step.group_name, owned=True
                )
            case Resume() if volume.channel:
                volume.channel = replace(volume.channel, receiving="ON", applying=True)
            case Quiesce() if volume.channel:
                volume.channel = replace(volume.channel, receiving="OFF", applying=False)
            case Resume() | Quiesce() | Close():
                pass

    async def export(self, step: Export) -> bytes:
        """The instance's own transactions, one row each."""
        if error := self.silent.get(step.instance.name):
            raise error
        self.exported.append(step)
        volume = self.volume(step.instance.name)
        executed = GtidSet.parse(volume.executed)
        if missing := step.errant - executed:
            raise NotExported(f"its binary logs lack {missing}")
        return binlog.pack(binlog.chosen(transactions(executed, volume.rows), step.errant))

    def _go_on(self, instance: Instance, volume: Volume) -> None:
        follows = volume.channel is not None and volume.channel.applying
        if volume.group and (instance.role is Role.MEMBER or follows):
            volume.executed = ",".join(filter(None, [f"{volume.group.group_name}:1-{self.commits}", volume.own]))

    def _beat(self, instance: Instance) -> Heartbeat | None:
        if self.heartbeat is None or not self.volume(instance.name).executed:
            return None
        return Heartbeat(self.heartbeat - self.lag.get(instance.name, 0.0), age=0.0)

    def _found(self, step: Found, volume: Volume) -> None:
        wanted = MemberGroup(step.claim.group_name, step.claim.epoch, solo=True)
        if volume.executed or volume.group not in (None, wanted):
            raise Refused(f"{step.seed.name} holds data")
        volume.group = wanted

    def _clone(self, step: Clone, volume: Volume) -> None:
        donor = self.volume(step.donor.name)
        if GtidSet.parse(volume.executed) != step.executed:
            raise Refused(f"{step.recipient.name} holds something else than at the look")
        if GtidSet.parse(volume.executed) - GtidSet.parse(donor.executed) - step.given_up:
            raise Refused(f"{step.recipient.name} holds more")
        carried = replace(donor.channel, owned=False) if donor.channel else None
        copied = Volume(donor.group, donor.executed, channel=carried, clone=CloneState("Completed", "", LONG_AGO))
        self.volumes[step.recipient.name] = copied
