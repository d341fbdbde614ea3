"""A group of three in memory, behind the operator's database port: volumes, views that fall apart, and the agents beside them."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from dataclasses import dataclass, field

from tests.unit.database.views import EMPTY, GROUP

from hcs_operator.api.database import Facts, GroupState, Instance, MemberGroup
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.steps import ApplyReceived, Clone, Export, Halt, OpenGroup, Revive, SqlStep, target
from hcs_operator.mysql.errors import NotExported, Refused, Unreachable

NAMES = [f"shop-db-0-{ordinal}" for ordinal in range(3)]
Transaction = tuple[str, int]
"""Group name and number: a GTID."""


@dataclass
class Volume:
    """A member's data directory."""

    group: str
    epoch: int
    solo: str
    executed: set[Transaction] = field(default_factory=set)
    received: set[Transaction] = field(default_factory=set)

    @property
    def held(self) -> set[Transaction]:
        return self.executed | self.received


@dataclass
class Server:
    """A member: whether it runs, what it has, and whom it counts into its group; nobody while it is OFFLINE."""

    volume: Volume | None
    up: bool = True
    counts: frozenset[str] = frozenset()
    failed: bool = False


def text(transactions: set[Transaction]) -> str:
    return str(GtidSet.parse(",".join(f"{group}:{number}" for group, number in sorted(transactions))))


class World:
    """`mysql.port.DatabasePort` over three servers, and their agents."""

    def __init__(self) -> None:
        everybody = frozenset(NAMES)
        self.servers = {name: Server(Volume(GROUP, 1, ""), counts=everybody) for name in NAMES}
        self.bootstraps: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        self.committed: set[Transaction] = set()

    def live(self, name: str) -> list[str]:
        """Who is ONLINE in a member's view."""
        own = self.servers[name]
        there = ((it, self.servers[it]) for it in sorted(own.counts))
        return [it for it, server in there if server.up and not server.failed and server.counts == own.counts]

    def majority(self, name: str) -> bool:
        own = self.servers[name]
        return own.up and not own.failed and 2 * len(self.live(name)) > len(own.counts)

    def leaders(self) -> list[str]:
        return [name for name in NAMES if self.majority(name) and self.live(name)[0] == name]

    def facts(self, name: str) -> Facts | None:
        server = self.servers[name]
        if not server.up:
            return None
        live, volume = self.live(name), server.volume
        state = "ERROR" if server.failed else "ONLINE" if server.counts else "OFFLINE"
        leads = state == "ONLINE" and live[0] == name
        alone = state != "ONLINE"
        group = GroupState(
            state, "PRIMARY" if leads else "", 0 if alone else len(live), 1 if alone else len(server.counts)
        )
        if volume is None:
            return Facts(name, "9.7.4", True, "", "", None, group)
        row = MemberGroup(volume.group, volume.epoch, volume.solo == name, not volume.solo)
        return Facts(name, "9.7.4", not leads, text(volume.executed), "", row, group, received=text(volume.received))

    async def examine(self, instance: Instance) -> Facts:
        return self.facts(instance.name) or EMPTY

    async def export(self, step: Export) -> bytes:
        raise NotExported(f"{step.instance.name} keeps what it has")

    async def perform(self, step: SqlStep) -> None:
        name = target(step).name
        server = self.servers[name]
        volume = server.volume
        if not server.up:
            raise Unreachable("no route")
        match step:
            case Halt():
                server.counts, server.failed = frozenset(), False
            case ApplyReceived() if volume:
                volume.executed |= volume.received
            case Revive() if volume:
                if (
                    server.counts
                    or volume.epoch >= step.claim.epoch
                    or volume.group not in {step.claim.group_name, step.former}
                ):
                    raise Refused(f"{name} is not revived")
                volume.group, volume.epoch, volume.solo = step.claim.group_name, step.claim.epoch, name
            case OpenGroup() if volume and self.majority(name):
                for it in self.live(name):
                    row = self.servers[it].volume
                    assert row
                    row.solo = ""
            case Clone():
                self._clone(step, server)
            case _:
                raise Refused("not played here")

    def _clone(self, step: Clone, server: Server) -> None:
        donor, executed = self.servers[step.donor.name], server.volume.executed if server.volume else set()
        assert donor.volume
        if GtidSet.parse(text(executed)) != step.executed or server.counts:
            raise Refused(f"{step.recipient.name} is not what was looked at")
        if not donor.up or not executed <= donor.volume.executed:
            raise Refused(f"{step.recipient.name} is not overwritten")
        server.volume = deepcopy(donor.volume)

    def commit(self, received_by: int) -> None:
        """The primary gives the next number; whoever has acknowledged it has received it."""
        for leader in self.leaders():
            live = self.live(leader)
            own = self.servers[leader].volume
            assert own
            number = 1 + max([number for group, number in own.held if group == own.group], default=0)
            assert (own.group, number) not in self.committed, "a GTID that was acknowledged is given to other rows"
            self.committed.add((own.group, number))
            own.executed.add((own.group, number))
            needed = max(received_by, len(self.servers[leader].counts) // 2 + 1)
            for it in live[1:needed]:
                volume = self.servers[it].volume
                assert volume
                volume.received |= own.held

    def agree(self) -> None:
        """Where a majority is left, what any of it has received reaches all of it."""
        for leader in self.leaders():
            volumes = [volume for it in self.live(leader) if (volume := self.servers[it].volume)]
            everything = set().union(*(volume.held for volume in volumes))
            for volume in volumes:
                volume.received |= everything

    def agent(self, name: str) -> None:
        """Take the group up alone where the row says so and nobody leads anywhere; else join the own group."""
        server, leaders = self.servers[name], self.leaders()
        if not server.up or server.counts or server.volume is None:
            return
        if not leaders and server.volume.solo == name:
            self.bootstraps[server.volume.group, server.volume.epoch].add(name)
            server.volume.executed |= server.volume.received
            server.counts = frozenset({name})
        if leaders:
            volume = self.servers[leaders[0]].volume
            assert volume
            if volume.group == server.volume.group and not volume.solo and server.volume.executed <= volume.held:
                self._join(name, leaders[0], volume)

    def _join(self, name: str, leader: str, volume: Volume) -> None:
        counts = frozenset({*self.live(leader), name})
        self.servers[name].volume = deepcopy(volume)
        for it in counts:
            self.servers[it].counts = counts
