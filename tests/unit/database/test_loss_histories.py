"""Histories of three members, two operators that overlap and die between any two writes, and somebody who annotates.

Whatever the order: one bootstrap of each group, one group that can commit, no transaction that means two things, and no group taken up
without its majority but on a request that named exactly who was missing, and from all that was left.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.database.played_group import NAMES, Server, World
from tests.unit.database.views import GROUP, NOW, member, view

from hcs_operator.act.database import execute
from hcs_operator.api.database import DatabaseView
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.loss import named
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import (
    Claim,
)
from hcs_operator.kube.errors import KubeError
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import API_VERSION, STACK_KIND
from hcs_operator.mysql.errors import DatabaseError

pytestmark = pytest.mark.unit

STACK = Ref(STACK_KIND, "shop", "shop")


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


Histories.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
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


LoneHistories.TestCase.settings = settings(max_examples=100, stateful_step_count=30)
TestLoneHistories = LoneHistories.TestCase
