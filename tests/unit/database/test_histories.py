"""Histories: two operators that overlap, act on old looks and die between any two writes; volumes that come and go.

Whatever the order: one founding, never over data and never in the place of data; and no step that destroys what exists nowhere else.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.database.in_memory import FakeDatabase, Volume
from tests.unit.database.views import Wishes, pod

from hcs_operator.act.database import execute
from hcs_operator.act.errant import FILE
from hcs_operator.api.database import ERRANT, Facts, Instance, Role
from hcs_operator.decide.database.gtid import GtidSet
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan
from hcs_operator.decide.database.steps import Claim, Clone, Found, SqlStep, Step
from hcs_operator.kube.errors import KubeError
from hcs_operator.kube.fake import Cluster
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import API_VERSION, STACK_KIND
from hcs_operator.mysql import binlog
from hcs_operator.mysql.errors import DatabaseError, Unreachable
from hcs_operator.observe.database import look

pytestmark = pytest.mark.unit

MEMBER, READERS = "shop-db-0-0", ("shop-replica-0-0", "shop-replica-0-1")
STACK = Ref(STACK_KIND, "shop", "shop")
SECRETS = {"shop-ca": {"ca.crt": "ca"}, "shop-database": {"admin-password": "a", "repl-password": "r"}}


@dataclass
class Witness(FakeDatabase):
    """The database in memory, with an oath: what a step does to a volume is checked before it is done."""

    status: Any = None
    saved: Callable[[], GtidSet] = GtidSet
    """What exports hold that can be read back."""
    foundings: list[str] = field(default_factory=list)

    async def examine(self, instance: Instance) -> Facts:
        facts = await super().examine(instance)
        own = self.volume(instance.name).channel
        return replace(facts, channel=own if instance.role is Role.READER else None)

    async def perform(self, step: SqlStep) -> None:
        if isinstance(step, Found) and self.volume(step.seed.name).group is None:
            assert not self.volume(step.seed.name).executed, "founded over data"
            assert not self.status().get("bootstrapped"), "founded in the place of data"
            self.foundings.append(step.claim.group_name)
        before = self.everything()
        await super().perform(step)
        assert before <= self.everything(), "destroyed what exists nowhere else"

    def everything(self) -> GtidSet:
        """Each transaction that exists on any volume, or in an export."""
        return GtidSet.parse(",".join([str(self.saved()), *(volume.executed for volume in self.volumes.values())]))


class Histories(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.cluster = Cluster()
        self.database = Witness(status=self.status, saved=self.saved)
        self.plans: dict[int, tuple[str, DatabasePlan, list[Step]]] = {}
        self.now = 1_790_000_000.0
        self._create()

    def _create(self) -> None:
        self.cluster.put(
            {"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": {"name": "shop", "namespace": "shop"}}
        )

    def teardown(self) -> None:
        self.runner.close()

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = (self.cluster.objects[STACK].get("status") or {}).get("database") or {}
        return found

    def exports(self) -> list[Ref]:
        return [ref for ref in self.cluster.objects if ref.kind == "ConfigMap"]

    def saved(self) -> GtidSet:
        """What can be read back from all exports."""
        found = []
        for ref in self.exports():
            with suppress(ValueError):
                text = self.cluster.objects[ref]["binaryData"][FILE]
                found.append(str(binlog.covered(base64.b64decode(text))))
        return GtidSet.parse(",".join(found))

    @rule(operator=st.integers(0, 1), turns=st.integers(1, 6))
    def works(self, operator: int, turns: int) -> None:
        """The usual: whole looks, one after another."""
        for _ in range(turns):
            self.looks(operator, leaving=False)
            while self.plans[operator][2]:
                self.acts(operator)
            self.writes_status(operator)

    @rule(operator=st.integers(0, 1), leaving=st.booleans())
    def looks(self, operator: int, leaving: bool) -> None:
        uid = self.cluster.objects[STACK]["metadata"]["uid"]
        pods = [pod(MEMBER, Role.MEMBER), *(pod(name, Role.READER) for name in READERS)]
        exports = [self.cluster.objects[ref] for ref in self.exports()]
        seen = self.runner.run(look(self.database, Wishes(uid), pods, secrets=SECRETS, live={}, exports=exports))
        gone = frozenset(READERS[1:]) if leaving else frozenset[str]()
        made = plan(seen, previous=self.status(), journal=None, now=self.now, leaving=gone)
        if any(isinstance(step, Claim) for step in made.steps) and not self.database.volume(MEMBER).group:
            assert not [name for name in READERS if self.database.volume(name).executed], "claimed in the place of data"
        for step in made.steps:
            if isinstance(step, Clone):
                held, copied = (
                    GtidSet.parse(self.database.volume(it.name).executed) for it in (step.recipient, step.donor)
                )
                assert held - step.given_up <= copied, "meant to destroy what exists nowhere else"
                kept = {it["metadata"]["annotations"][ERRANT] for it in exports}
                assert not step.export or str(step.given_up) in kept, "meant to destroy what was not exported"
        self.plans[operator] = (uid, made, list(made.steps))

    @rule(operator=st.integers(0, 1))
    def acts(self, operator: int) -> None:
        if operator not in self.plans or not self.plans[operator][2]:
            return
        steps = self.plans[operator][2]
        try:
            self.runner.run(execute(steps.pop(0), self.database, self.cluster))
        except (DatabaseError, KubeError):
            steps.clear()

    @rule(operator=st.integers(0, 1))
    def writes_status(self, operator: int) -> None:
        if operator not in self.plans or self.plans[operator][0] != self.cluster.objects[STACK]["metadata"]["uid"]:
            return
        made = self.plans[operator][1]
        metadata = {"name": "shop", "namespace": "shop"}
        document = {"apiVersion": API_VERSION, "kind": STACK_KIND, "metadata": metadata}
        status = {"database": dict(made.status)}
        if self.status().get("bootstrapped") and not made.status["bootstrapped"]:
            return  # an old look's status is refused: the core applies it at the resourceVersion that it read
        self.runner.run(
            self.cluster.apply({**document, "status": status}, manager="hcs-operator-status", subresource="status")
        )

    @rule()
    def a_transaction_is_committed(self) -> None:
        if self.database.volume(MEMBER).group:
            self.database.commit()

    @rule(name=st.sampled_from([MEMBER, *READERS]))
    def an_instance_falls_silent_or_answers_again(self, name: str) -> None:
        if self.database.silent.pop(name, None) is None:
            self.database.silent[name] = Unreachable("no route")

    @rule(name=st.sampled_from([MEMBER, *READERS]))
    def a_volume_is_lost(self, name: str) -> None:
        self.database.lose_volume(name)

    @rule(name=st.sampled_from(READERS), number=st.integers(1, 2))
    def a_reader_gets_a_transaction_of_its_own(self, name: str, number: int) -> None:
        self.database.stray(name, f"99999999-9999-5999-8999-999999999999:{number}")

    @rule(name=st.sampled_from(READERS))
    def a_readers_binary_logs_are_gone(self, name: str) -> None:
        volume = self.database.volume(name)
        if volume.channel:
            volume.channel = replace(volume.channel, receiving="OFF", applying=False, error_number=13114)

    @rule(damaged=st.booleans())
    @precondition(lambda self: self.exports())
    def an_export_is_damaged_or_deleted(self, damaged: bool) -> None:
        ref = self.exports()[0]
        document = self.cluster.objects[ref]
        if damaged:
            self.cluster.put({**document, "binaryData": {FILE: document["binaryData"][FILE][:40]}})
        else:
            self.runner.run(self.cluster.delete(ref, document["metadata"]["uid"]))

    @rule()
    def an_older_copy_of_the_members_volume_is_put_back(self) -> None:
        volume = self.database.volume(MEMBER)
        if volume.group:
            self.database.volumes[MEMBER] = Volume(volume.group, f"{volume.group.group_name}:1")
            self.database.commits = 1

    @rule()
    @precondition(lambda self: self.database.volume(MEMBER).group is not None)
    def the_stack_is_made_anew_over_its_volumes(self) -> None:
        uid = self.cluster.objects[STACK]["metadata"]["uid"]
        self.runner.run(self.cluster.delete(STACK, uid))
        self.database.foundings.clear()
        self._create()

    @rule()
    def time_passes(self) -> None:
        self.now += 10.0

    @invariant()
    def one_group_at_most_was_founded_in_one_stacks_life(self) -> None:
        assert len(set(self.database.foundings)) <= 1

    @invariant()
    def what_was_bootstrapped_stays_so(self) -> None:
        claim = self.status().get("claim")
        if self.status().get("bootstrapped"):
            assert claim is not None


Histories.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestHistories = Histories.TestCase


class SettledHistories(Histories):
    """The same from a stack on that all serve: what readers have of their own is given up here, and only here."""

    @initialize()
    def all_serve(self) -> None:
        for _ in range(3):
            self.works(0, 6)


SettledHistories.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestSettledHistories = SettledHistories.TestCase
