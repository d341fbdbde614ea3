"""Histories of three members, two operators that overlap and die between any two writes, and somebody who annotates.

Whatever the order: one bootstrap of each group, one group that can commit, no transaction that means two things, and no group taken up
without its majority but on a request that named exactly who was missing, and from all that was left.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.database.views import EMPTY, GROUP, NOW, member, view

from hcs_operator.act.database import execute
from hcs_operator.api.database import DatabaseView, Facts, GroupState, Instance, MemberGroup
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.loss import named
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import (
    ApplyReceived,
    Claim,
    Clone,
    Export,
    Halt,
    OpenGroup,
    Revive,
    SqlStep,
    target,
)
from hcs_operator.kube.errors import KubeError
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import API_VERSION, STACK_KIND
from hcs_operator.mysql.errors import DatabaseError, NotExported, Refused, Unreachable

pytestmark = pytest.mark.unit

STACK = Ref(STACK_KIND, "shop", "shop")
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
                donor = self.servers[step.donor.name]
                assert donor.volume
                if not donor.up or server.counts or (volume and not volume.executed <= donor.volume.executed):
                    raise Refused(f"{name} is not overwritten")
                server.volume = deepcopy(donor.volume)
            case _:
                raise Refused("not played here")

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


class Histories(RuleBasedStateMachine):
    @initialize()
    def begins(self) -> None:
        self.world, self.cluster, self.now = World(), Cluster(), NOW
        self.annotation, self.wishes = "", 0
        self.plans: dict[int, tuple[DatabaseView, DatabasePlan, str]] = {}
        self.journals: dict[int, Any] = {}
        made = self.cluster.put(
            {"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": {"name": "shop", "namespace": "shop"}}
        )
        self.uid = made["metadata"]["uid"]
        claim = {"seed": NAMES[0], "epoch": 1, "groupName": GROUP, "members": NAMES}
        self.cluster.put({**made, "status": {"database": {"claim": claim, "bootstrapped": True}}})

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.objects[STACK].get("status", {}).get("database", {})
        return found

    @rule(operator=st.integers(0, 1))
    def looks(self, operator: int) -> None:
        instances = [
            member(self.world.facts(name), ordinal, ready=self.world.servers[name].up)
            for ordinal, name in enumerate(NAMES)
        ]
        seen = view(*instances, members_wanted=3, uid=self.uid, allow_data_loss=self.annotation)
        made = plan(seen, previous=deepcopy(self.status()), journal=self.journals.get(operator), now=self.now)
        self.journals[operator] = made.journal
        self.plans[operator] = seen, made, str(self.status())

    @rule(operator=st.integers(0, 1), wrote=st.booleans())
    def acts_on_its_last_look_and_may_die_before_it_tells(self, operator: int, wrote: bool) -> None:
        if operator not in self.plans:
            return
        seen, made, before = self.plans.pop(operator)
        for step in made.steps:
            claims = isinstance(step, Claim) and step.group_name != self.status()["claim"]["groupName"]
            with suppress(DatabaseError, KubeError):
                asyncio.run(execute(step, self.world, self.cluster))
                if claims and isinstance(step, Claim):
                    self._was_asked_for(seen, step)
        if wrote and (str(self.status()) == before or made.steps):
            metadata = {"name": "shop", "namespace": "shop"}
            status = {"database": dict(made.status)}
            document = {"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": metadata, "status": status}
            asyncio.run(self.cluster.apply(document, manager="hcs-operator-status", subresource="status"))

    def _was_asked_for(self, seen: DatabaseView, step: Claim) -> None:
        self.wishes += 1
        assert seen.allow_data_loss, "a quorum was forced unasked"
        said = {it.instance.name: it.facts for it in seen.instances}
        silent = {name for name, facts in said.items() if facts is None}
        assert silent <= named(seen), "somebody who may hold more was not named"
        for name in named(seen):
            facts = said[name]
            assert facts is None or not facts.member_group or facts.member_group.group_name in step.former[:-1], name
        seed = said[step.seed]
        assert seed
        for name in set(said) - named(seen):
            facts = said[name]
            if facts and facts.member_group and facts.member_group.group_name == step.former[-1]:
                assert facts.group.state == "OFFLINE"
                own = GtidSet.parse(f"{facts.gtid_executed},{facts.received}")
                assert own <= GtidSet.parse(seed.gtid_executed), "a row that is left would be lost"

    @rule(operators=st.integers(1, 8))
    def works(self, operators: int) -> None:
        """An operator that nothing happens to, and agents that keep up with it."""
        for _ in range(operators):
            self.now += 10.0
            self.looks(0)
            self.acts_on_its_last_look_and_may_die_before_it_tells(0, wrote=True)
            for name in NAMES:
                self.world.agent(name)
            self.world.agree()

    @rule(wanted=st.sampled_from(["missing", "missing", "missing", *NAMES, f"{NAMES[1]},{NAMES[2]}", ""]))
    def somebody_annotates(self, wanted: str) -> None:
        gone = [name for name, server in self.world.servers.items() if not server.up or server.volume is None]
        self.annotation = ",".join(gone) if wanted == "missing" else wanted

    @rule(received_by=st.integers(1, 3))
    def rows_are_committed(self, received_by: int) -> None:
        self.world.commit(received_by)

    @rule(names=st.sets(st.sampled_from(NAMES), min_size=1, max_size=2))
    def members_fall(self, names: set[str]) -> None:
        for name in names:
            self.world.servers[name].up = False
        self.world.agree()

    @rule(name=st.sampled_from(NAMES), empty=st.booleans())
    @precondition(lambda self: any(not it.up for it in self.world.servers.values()))
    def one_comes_back(self, name: str, empty: bool) -> None:
        old = self.world.servers[name]
        if not old.up:
            self.world.servers[name] = Server(None if empty else old.volume)

    @rule(name=st.sampled_from(NAMES))
    def one_without_a_majority_gives_up(self, name: str) -> None:
        server = self.world.servers[name]
        server.failed = server.failed or bool(server.up and server.counts and not self.world.majority(name))

    @rule()
    def whoever_fell_is_expelled(self) -> None:
        for leader in self.world.leaders():
            counts = frozenset(self.world.live(leader))
            for name in counts:
                self.world.servers[name].counts = counts

    @rule(name=st.sampled_from(NAMES))
    def an_agent_works(self, name: str) -> None:
        self.world.agent(name)
        self.world.agree()

    @rule(seconds=st.sampled_from([1.0, 10.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def one_member_bootstraps_in_an_epoch_and_one_group_can_commit(self) -> None:
        assert all(len(names) == 1 for names in self.world.bootstraps.values())
        assert len({self.world.servers[name].counts for name in self.world.leaders()}) <= 1

    @invariant()
    def the_record_stands_with_the_claim(self) -> None:
        status = self.status()
        former = status["claim"].get("former", [])
        assert len(former) == self.wishes
        if former:
            assert status["dataLoss"]["groupName"] == former[-1]


Histories.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestHistories = Histories.TestCase


class LoneHistories(Histories):
    """The same from there on where one is left, which lacks what the two that fell have acknowledged."""

    @initialize()
    def begins(self) -> None:
        super().begins()
        self.world.commit(received_by=3)
        self.world.commit(received_by=2)
        self.members_fall({NAMES[0], NAMES[1]})
        self.somebody_annotates("missing")
        self.looks(0)
        self.acts_on_its_last_look_and_may_die_before_it_tells(0, wrote=True)
        self.now += 15.0

    @rule(received_by=st.integers(1, 3))
    def rows_are_committed_after_a_while(self, received_by: int) -> None:
        self.works(5)
        self.world.commit(received_by)


LoneHistories.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestLoneHistories = LoneHistories.TestCase
