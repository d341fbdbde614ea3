"""Three members of a group as the engine makes them: views, majorities, elections, recovery; and what befalls them.

A transaction is its GTID's number and what it writes, so that two writes under one GTID are told apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.unit.database.views import EMPTY, GROUP

from hcs_operator.agent.seen import Memory
from hcs_operator.api.database import GroupState

NAMES = tuple(f"shop-db-0-{ordinal}" for ordinal in range(3))
Rows = dict[int, int]
"""Transaction number → what it writes."""


@dataclass
class Mark:
    """The row of `hcs_meta.member_group`."""

    epoch: int
    solo: str | None
    """The server_uuid that may bootstrap alone."""


@dataclass(eq=False)
class View:
    """One incarnation of the group: whoever belongs to it, and its primary."""

    members: list[Member]
    primary: Member


@dataclass(eq=False)
class Member:
    """A data directory and the mysqld on it."""

    name: str
    uuid: str
    mark: Mark | None = None
    executed: Rows = field(default_factory=dict)
    received: Rows = field(default_factory=dict)
    purged: set[int] = field(default_factory=set)
    """Of which of them no binary log is left here."""
    bound: bool = True
    """There is a volume; without one its pod never ran."""
    pod: bool = True
    pods: int = 0
    """How many it has had."""
    runs: bool = True
    state: str = "OFFLINE"
    told: GroupState = EMPTY.group
    """Its own view as it is known to itself: what happened since the last detection is not in it."""
    view: View | None = None
    leaving: int = 0
    """For how long it goes on with a STOP without a majority, and does not answer."""
    donor: Member | None = None
    agent: Memory = field(default_factory=Memory)

    @property
    def pod_uid(self) -> str:
        return f"{self.name}-pod-{self.pods}"

    @property
    def held(self) -> Rows:
        return self.received | self.executed

    def leave(self, state: str = "OFFLINE") -> None:
        self.view, self.state, self.told = None, state, replace(EMPTY.group, state=state)
        self.leaving = 0


class Engine:
    """The members; `cut` and `unheard` say whom the others and the operator do not reach."""

    def __init__(self) -> None:
        self.members = {name: Member(name, f"{name}-uuid-0") for name in NAMES}
        self.cut: set[str] = set()
        self.split = False
        """The network has just split, and no member has noticed yet."""
        self.unheard: set[str] = set()
        self.group = GROUP
        self.acknowledged: set[int] = set()
        self.writes = 0
        self.lost_volumes, self.fallen = 0, 0
        self.clock = 0.0

    def at(self, name: str) -> Member:
        return self.members[name]

    def connected(self, one: Member, other: Member) -> bool:
        return one is other or (one.runs and other.runs and (one.name in self.cut) == (other.name in self.cut))

    def quorum(self, member: Member) -> list[Member]:
        """Whom a member still reaches of a view that it is in, when they are a majority of it."""
        if member.view is None or not member.runs or member not in member.view.members:
            return []
        reached = [it for it in member.view.members if it.view is member.view and self.connected(member, it)]
        return reached if 2 * len(reached) > len(member.view.members) else []

    def commit(self) -> None:
        """Every member that takes itself for the primary is written to; only a majority's word acknowledges."""
        for member in self.members.values():
            if not member.told.leads or member.view is None or member.view.primary is not member:
                continue
            if reached := self.quorum(member):
                self.writes += 1
                number = max(member.held, default=0) + 1
                for it in reached:
                    it.received[number] = self.writes
                member.executed |= member.received
                self.acknowledged.add(self.writes)

    def detect(self) -> None:
        """Five seconds go by: who is unreachable is expelled by a majority; who has none notes that, then gives up."""
        self.clock += 15.0
        self.split = False
        for it in [it for it in self.members.values() if it.leaving]:
            it.leaving -= 1
            if not it.leaving:
                it.leave()
        for view in {member.view: None for member in self.members.values() if member.view}:
            best = max((self.quorum(it) for it in view.members if it.view is view), key=len, default=[])
            for it in [it for it in self.members.values() if it.view is view and it not in best]:
                undecided = GroupState(it.state, it.told.role, 1, len(view.members))
                if it.told == undecided or not it.runs:
                    it.leave("ERROR" if it.runs else "OFFLINE")
                else:
                    it.told = undecided
            if best:
                self._reconfigure(view, best)

    def _reconfigure(self, view: View, members: list[Member]) -> None:
        view.members = members
        for it in members:  # what one of them has received all of them receive before the next view
            it.received |= {number: write for peer in members for number, write in peer.received.items()}
            if it.state == "RECOVERING":
                self._recovered(it, next((peer for peer in members if peer.state == "ONLINE"), it))
        self._elect(view, view.primary if view.primary in members else members[0])
        self.tell(view)

    def _recovered(self, member: Member, donor: Member) -> None:
        member.executed = donor.held | member.held
        assert member.executed == donor.held, "a member of other rows is ONLINE"
        member.state = "ONLINE"

    def tell(self, view: View) -> None:
        online = sum(it.state == "ONLINE" for it in view.members)
        for it in view.members:
            it.told = GroupState(it.state, "PRIMARY" if it is view.primary else "SECONDARY", online, len(view.members))

    def apply(self, name: str) -> None:
        self.members[name].executed |= self.members[name].received

    def die(self, name: str) -> None:
        self.fallen += 1
        self._end(name)

    def _end(self, name: str) -> None:
        member = self.at(name)
        if member.donor:
            self.lose(name, counts=False)
        member.runs, member.donor, member.agent = False, None, Memory()

    def start(self, name: str) -> None:
        member = self.at(name)
        if member.pod and member.bound and not member.runs:
            member.runs = True
            member.leave()

    def lose(self, name: str, *, counts: bool = True) -> None:
        old = self.members[name]
        old.runs = False
        self.fallen += counts
        self.lost_volumes += counts
        self.members[name] = Member(name, f"{old.uuid}'", pod=old.pod, pods=old.pods, runs=False)

    def stop(self, name: str, *, gone: bool) -> None:
        """A pod is deleted with grace: it hands over, leaves, and its volume is kept."""
        self._leave(self.at(name))
        self._end(name)
        self.at(name).pod = not gone
        self.at(name).pods += 1

    def _leave(self, member: Member) -> None:
        others = [it for it in self.quorum(member) if it is not member and it.state == "ONLINE"]
        if others and member.view:
            member.view.members = [it for it in member.view.members if it is not member]
            if member.view.primary is member:
                self._elect(member.view, others[0])
            self.tell(member.view)
        member.leave()

    def _elect(self, view: View, member: Member) -> None:
        view.primary = member
        member.executed |= member.received
