"""A group of up to three members under the real decisions of their agents and of the operator.

What the decisions ask for is done to it; what they must never bring about is checked where it happens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tests.unit.database.group_engine import NAMES, Engine, Mark, Member, View
from tests.unit.database.views import EMPTY

from hcs_operator.agent.decide import Bootstrap, Join, Leave, begun, decide
from hcs_operator.agent.decide import OpenGroup as Open
from hcs_operator.agent.seen import Local, Others, Started
from hcs_operator.api.database import CloneState, Facts, MemberGroup, Role
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.steps import (
    ApplyReceived,
    Clone,
    CloseGroup,
    Found,
    Halt,
    HandOver,
    OpenGroup,
    Revive,
    SqlStep,
)

__all__ = ["NAMES", "NotDone", "World"]


class NotDone(Exception):
    """The instance refuses a step, or does not answer."""


class World(Engine):
    """The engine's members, their agents, and what the operator sees of them and does to them."""

    def agents(self) -> None:
        for member in list(self.members.values()):
            if not member.runs:
                continue
            if member.donor:
                self._cloned(member)
                continue
            local = self._local(member)
            act = decide(local, member.agent)
            member.agent = begun(act, local, member.agent)
            match act:
                case Bootstrap():
                    self._bootstrap(member)
                case Join():
                    self._join(member)
                case Leave():
                    member.leave()
                case Open():
                    self._open(member)

    def _local(self, member: Member) -> Local:
        told = [self._asked(member, peer) for peer in self.members.values()]
        others = next((it for it in told if it.leader), next((it for it in told if it.seeds), Others()))
        return Local(
            role=Role.MEMBER, now=Started(), group=member.told, member_group=self.row(member), bootstrap_flag=False,
            cloning=False, stopping=False, named=True, others=others, clock=self.clock, certificate="",
            expel_timeout=0 if member.told.state == "ONLINE" else 5,
        )  # fmt: skip

    def _asked(self, member: Member, peer: Member) -> Others:
        told, view = peer.told, peer.view
        if peer is member or not self.connected(member, peer) or view is None or told.state != "ONLINE":
            return Others()
        if 2 * told.online <= told.total:
            return Others()
        seeds = tuple(it.name for it in view.members if it.state == "ONLINE")
        row = self.row(peer)
        settled = all(self.connected(peer, it) and it.name != member.name for it in view.members)
        return Others(
            seeds, self.group if row else "", admits=row is not None and row.open, settled=settled,
            leader=peer.name if view.primary is peer else "",
        )  # fmt: skip

    def _bootstrap(self, member: Member) -> None:
        for other in self.members.values():
            assert not self.quorum(other), "two groups take writes"
            assert other.state != "ERROR" or other is member or not other.runs, (
                "its auto-rejoin could meet another group"
            )
        here = set(member.held.values())
        somewhere = {write for it in self.members.values() for write in it.held.values()}
        assert self.acknowledged & somewhere <= here, "an acknowledged write is lost"
        self.acknowledged &= here
        assert set(member.received) <= set(member.executed), "its relay log may be damaged, and nobody has tried"
        member.executed |= member.received
        member.state = "ONLINE"
        member.view = View([member], member)
        self.tell(member.view)

    def _join(self, member: Member) -> None:
        peers = [it for it in self.members.values() if self.connected(member, it) and self.quorum(it)]
        donor = next((it for it in peers if it.state == "ONLINE" and it is not member), None)
        if donor is None or donor.view is None or set(member.held) - set(donor.held):
            return  # refused by the group, or nobody is there any more
        assert donor.mark
        member.mark, member.view, member.state = replace(donor.mark), donor.view, "RECOVERING"
        donor.view.members = [*donor.view.members, member]
        self.tell(donor.view)

    def _open(self, member: Member) -> None:
        if member.view is None or member.view.primary is not member:
            raise NotDone
        for it in self.quorum(member):
            assert it.mark
            it.mark.solo = None

    def _cloned(self, member: Member) -> None:
        donor, member.donor = member.donor, None
        if donor is None or donor.mark is None or not self.connected(member, donor):
            return
        self._copy(member, donor, donor.mark)

    def _copy(self, member: Member, donor: Member, mark: Mark) -> None:
        member.mark, member.executed, member.received = replace(mark), dict(donor.executed), {}
        member.purged = set(donor.executed)

    def row(self, member: Member) -> MemberGroup | None:
        mark = member.mark
        return MemberGroup(self.group, mark.epoch, mark.solo == member.uuid, mark.solo is None) if mark else None

    def facts(self, name: str) -> Facts | None:
        member = self.members[name]
        if not member.runs or member.leaving or name in self.unheard:
            return None
        return replace(
            EMPTY, server_uuid=member.uuid, super_read_only=member.told.role != "PRIMARY", member_group=self.row(member),
            gtid_executed=self._gtids(member.executed), gtid_purged=self._gtids(member.purged),
            received=self._gtids(member.received), group=member.told,
            clone=CloneState("In Progress", "", None) if member.donor else None,
        )  # fmt: skip

    def perform(self, step: SqlStep) -> None:
        """Raises NotDone."""
        match step:
            case Found() | Revive():
                self._mark(step, self._at(step.seed.name))
            case Halt():
                self._halt(self._at(step.member.name))
            case ApplyReceived():
                self._apply_received(self._at(step.member.name))
            case OpenGroup():
                self._open(self._at(step.leader.name))
            case CloseGroup():
                self._close(self._at(step.leader.name))
            case HandOver():
                self._hand_over(self._at(step.leader.name), step.uuid)
            case Clone():
                self._clone(self._at(step.recipient.name), self._at(step.donor.name), step)
            case _:
                raise AssertionError(f"nothing strayed here: {step}")

    def _mark(self, step: Found | Revive, seed: Member) -> None:
        if isinstance(step, Found):
            if seed.uuid != step.uuid:
                raise NotDone
            if seed.mark is None and not seed.executed:
                self.group = step.claim.group_name
                seed.mark = Mark(step.claim.epoch, seed.uuid)
            return
        if seed.mark is None or seed.mark.epoch >= step.claim.epoch or seed.state != "OFFLINE":
            raise NotDone
        seed.mark = Mark(step.claim.epoch, seed.uuid)

    def _halt(self, member: Member) -> None:
        if member.state == "ERROR":
            member.leaving, member.told = 2, replace(member.told, changing=True)
        else:
            self._leave(member)

    def _apply_received(self, member: Member) -> None:
        if member.state != "OFFLINE":
            raise NotDone
        self.apply(member.name)

    def _close(self, leader: Member) -> None:
        if leader.view is None or leader.view.members != [leader] or leader.mark is None:
            raise NotDone
        leader.mark.solo = leader.uuid

    def _hand_over(self, leader: Member, uuid: str) -> None:
        successor = next((it for it in self.quorum(leader) if it.uuid == uuid and it.state == "ONLINE"), None)
        if successor is None or leader.view is None:
            raise NotDone
        self._elect(leader.view, successor)
        self.tell(leader.view)

    def _clone(self, member: Member, donor: Member, step: Clone) -> None:
        own = self.gtids(member)
        if member.state != "OFFLINE" or own != step.executed or own - self.gtids(donor) - step.given_up:
            raise NotDone
        assert member.view is None, "opened to writes, though the engine clones over nobody who is in a group"
        member.donor = donor

    def _at(self, name: str) -> Member:
        found = self.at(name)
        if found.leaving or not found.runs or name in self.unheard:
            raise NotDone
        return found

    def gtids(self, member: Member) -> GtidSet:
        """What it has executed, as it would say."""
        return GtidSet.parse(self._gtids(member.executed))

    def _gtids(self, rows: Iterable[int]) -> str:
        return f"{self.group}:" + ":".join(map(str, sorted(rows))) if rows else ""
