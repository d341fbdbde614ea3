"""Readers beside the members of a played group: they follow it, are copied and copied from, and get rows of their own.

A reader's copy is begun only where each row that it has is left elsewhere, on a volume or in an export.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tests.unit.database.group_engine import NAMES, Mark, Member
from tests.unit.database.group_world import NotDone, World
from tests.unit.database.views import EMPTY

from hcs_operator.api.database import Channel, CloneState, Exported, Facts
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.steps import Clone, Close, Export, Follow, Quiesce, Resume, SqlStep

READERS = tuple(f"shop-replica-0-{ordinal}" for ordinal in range(2))
_OWN = "99999999-9999-5999-8999-99999999999"
Gtid = tuple[str, int]
"""Source uuid and number."""


@dataclass(eq=False)
class Reader(Member):
    """An instance that is in no group: `view` stays None. Its set is of what it has from the group, and of `own`."""

    own: dict[Gtid, int] = field(default_factory=dict)
    """What somebody wrote here, past the primary, or at whom it was copied from."""
    closed: bool = True
    source: str = NAMES[0]
    channel: Channel | None = None
    """As the last step left it; whom it reaches is seen when it is looked at."""
    copied_at: float | None = None


class ReadWorld(World):
    """The group, its readers, and what has been exported."""

    def __init__(self) -> None:
        super().__init__()
        self.readers = {name: Reader(name, f"{name}-uuid-0") for name in READERS}
        self.exports: dict[frozenset[int], Exported] = {}
        """By what the saved transactions do."""

    def at(self, name: str) -> Member:
        return self.readers.get(name) or super().at(name)

    def reader(self, name: str) -> Reader:
        found = self._at(name)
        assert isinstance(found, Reader), f"{name} is a member, and is treated as a reader"
        return found

    def lose(self, name: str, *, counts: bool = True) -> None:
        old = self.readers.get(name)
        if old is None:
            super().lose(name, counts=counts)
            return
        old.runs = False
        self.readers[name] = Reader(name, f"{old.uuid}'", pod=old.pod, pods=old.pods, runs=False)

    def start(self, name: str) -> None:
        reader = self.readers.get(name)
        if reader and not reader.runs and reader.channel and reader.channel.owned:
            reader.channel = replace(reader.channel, receiving="ON", applying=True)  # skip_replica_start=OFF
        super().start(name)

    def agents(self) -> None:
        super().agents()
        for reader in self.readers.values():
            if reader.runs and reader.donor:
                self._cloned(reader)

    def replicate(self, names: Iterable[str] = READERS) -> None:
        for reader in (self.readers[name] for name in names):
            source = self._source(reader)
            if source and reader.channel and reader.channel.applying and not self._lacks_logs(reader, source):
                reader.executed |= source.executed

    def _source(self, reader: Reader) -> Member | None:
        """Whom it reads from: the same as before while that one is in the group, else the engine finds the primary."""
        channel = reader.channel
        if not reader.runs or reader.donor or channel is None or not channel.owned or channel.receiving == "OFF":
            return None
        inside = [it for it in self.members.values() if self.connected(reader, it) and self.quorum(it)]
        online = {it.name: it for it in inside if it.state == "ONLINE"}
        leading = next((it for it in online.values() if it.view and it.view.primary is it), None)
        found = online.get(reader.source) or leading
        if found:
            reader.source = found.name
        return found

    def _lacks_logs(self, reader: Reader, source: Member) -> bool:
        return bool(source.purged - set(reader.executed))

    def strays(self, name: str) -> None:
        """Somebody opens a reader and writes to it. A copy counts from 1 again."""
        reader, uuid = self.readers[name], f"{_OWN}{READERS.index(name)}"
        if reader.runs and not reader.donor and reader.mark:
            self.writes += 1
            reader.closed = False
            reader.own[uuid, 1 + sum(gtid[0] == uuid for gtid in reader.own)] = self.writes

    def rows(self, member: Member) -> dict[Gtid, int]:
        """All that an instance holds: what each of its transactions does."""
        own = member.own if isinstance(member, Reader) else {}
        return {(self.group, number): write for number, write in member.held.items()} | own

    def gtids(self, member: Member) -> GtidSet:
        return _set([(self.group, number) for number in member.executed] + [*getattr(member, "own", ())])

    def facts(self, name: str) -> Facts | None:
        if name not in self.readers:
            return super().facts(name)
        reader = self.readers[name]
        if not reader.runs or name in self.unheard:
            return None
        copied = None if reader.copied_at is None else CloneState("Completed", "", self.clock - reader.copied_at)
        return replace(
            EMPTY, server_uuid=reader.uuid, super_read_only=reader.closed, member_group=self.row(reader),
            gtid_executed=str(self.gtids(reader)), channel=self._told(reader),
            clone=CloneState("In Progress", "", None) if reader.donor else copied,
        )  # fmt: skip

    def _told(self, reader: Reader) -> Channel | None:
        """What its channel shows now."""
        source = self._source(reader)
        if reader.channel is None or reader.channel.receiving == "OFF":
            return reader.channel
        if source is None:
            return replace(reader.channel, receiving="CONNECTING", error_number=2003)
        host = f"{source.name}.shop-db-0.shop.svc.cluster.local"
        if self._lacks_logs(reader, source):
            return replace(reader.channel, source=host, receiving="OFF", error_number=13114)
        behind = float(len(set(source.executed) - set(reader.executed)))  # one is committed each second, say
        return replace(reader.channel, source=host, applying_seconds=behind)

    def perform(self, step: SqlStep) -> None:
        match step:
            case Follow():
                reader = self.reader(step.reader.name)
                reader.source = step.source.name
                reader.channel = Channel(step.source.host, "ON", True, step.group_name, owned=True)
            case Resume() | Quiesce():
                reader, runs = self.reader(step.reader.name), isinstance(step, Resume)
                if reader.channel is None:
                    raise NotDone
                reader.channel = replace(reader.channel, receiving="ON" if runs else "OFF", applying=runs)
            case Close():
                self.reader(step.instance.name).closed = True
            case Clone(export=Export() as export) if not self.export(export):
                pass
            case _:
                super().perform(step)

    def export(self, step: Export) -> bool:
        """Whether these very transactions had been saved before."""
        rows = self.rows(self.reader(step.instance.name))
        found = {gtid: write for gtid, write in rows.items() if _set([gtid]) <= step.errant}
        if step.errant - _set(found):
            raise NotDone
        content, saved = frozenset(found.values()), len(self.exports)
        said = Exported(f"errant-{saved}", step.instance.name, str(step.errant), step.at)
        return self.exports.setdefault(content, said) is not said

    def _clone(self, member: Member, donor: Member, step: Clone) -> None:
        super()._clone(member, donor, step)
        assert isinstance(member, Reader) or not isinstance(donor, Reader), "a member is copied from a reader"
        others = [it for it in (*self.members.values(), *self.readers.values()) if it is not member]
        kept = {write for it in others for write in self.rows(it).values()}.union(*self.exports)
        assert set(self.rows(member).values()) <= kept, "the only copy of a row is destroyed"

    def _copy(self, member: Member, donor: Member, mark: Mark) -> None:
        super()._copy(member, donor, mark)
        if isinstance(member, Reader):
            member.own = dict(donor.own) if isinstance(donor, Reader) else {}
            carried = donor.channel if isinstance(donor, Reader) else None
            member.channel = replace(carried, owned=False, receiving="OFF", applying=False) if carried else None
            member.copied_at = self.clock


def _set(gtids: Iterable[Gtid] | Mapping[Gtid, int]) -> GtidSet:
    return GtidSet.parse(",".join(f"{uuid}:{number}" for uuid, number in gtids))
