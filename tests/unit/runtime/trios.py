"""A group of three as an operator's looks see it, behind the database port; the test says who leads."""

from dataclasses import dataclass, field, replace

from tests.apiserver.played_engines import EXECUTED
from tests.unit.runtime.benches import KEY, Bench

from hcs_operator.api.database import Facts, GroupState, Instance, MemberGroup
from hcs_operator.decide.database.steps import Export, HandOver, SqlStep
from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import STACK_KIND
from hcs_operator.mysql.errors import NotExported, Unreachable
from hcs_operator.mysql.port import DatabasePort
from hcs_operator.runtime.reconcile import Reconciler

GROUP = "0b9c4d3e-1f2a-5b6c-8d7e-9f0a1b2c3d4e"
NAMES = [f"shop-db-0-{ordinal}" for ordinal in range(3)]


@dataclass
class PlayedTrio:
    """`mysql.port.DatabasePort`: three members ONLINE, of which `leader` leads; none does while it is empty."""

    leader: str = NAMES[0]
    silent: str = ""
    """The member that does not answer."""
    queued: dict[str, int] = field(default_factory=dict)
    """Transactions that members have yet to apply."""
    performed: list[SqlStep] = field(default_factory=list)

    async def examine(self, instance: Instance) -> Facts:
        if instance.name == self.silent:
            raise Unreachable(f"{instance.name} does not answer")
        leads = instance.name == self.leader
        return Facts(
            applier_queue=self.queued.get(instance.name, 0),
            server_uuid=instance.name,
            version="9.7.4",
            super_read_only=not leads,
            gtid_executed=EXECUTED,
            gtid_purged="",
            member_group=MemberGroup(GROUP, 1, solo=False, open=True),
            group=GroupState("ONLINE", "PRIMARY" if leads else "SECONDARY", 3, 3),
        )

    async def perform(self, step: SqlStep) -> None:
        self.performed.append(step)
        if isinstance(step, HandOver):
            self.leader = step.uuid

    async def export(self, step: Export) -> bytes:
        raise NotExported(f"{step.instance.name} has nothing of its own here")


async def with_trio(bench: Bench) -> PlayedTrio:
    """Give the bench's stack a group of three that was founded long ago."""
    trio = PlayedTrio()
    replace_database(bench, trio)
    stack = bench.stack({"database": {"members": 3}})
    claim = {"seed": NAMES[0], "epoch": 1, "groupName": GROUP, "members": NAMES}
    bench.cluster.put({**stack, "status": {"database": {"claim": claim, "bootstrapped": True}}})
    await bench.look(times=3)
    for ordinal in range(3):
        bench.pod("db", "StatefulSet", "shop-db-0", ordinal)
    await bench.look(times=3)
    return trio


def replace_database(bench: Bench, trio: DatabasePort) -> None:
    handler = bench.process.handler
    assert isinstance(handler, Reconciler)
    handler.hands.database = trio
    handler.eyes = replace(handler.eyes, database=trio)


def restarted(bench: Bench, again: Bench, trio: PlayedTrio) -> Bench:
    """Another operator over the same API server and the same engines; its store is filled by its own watches."""
    again.cluster.objects, again.cluster._owned = bench.cluster.objects, bench.cluster._owned
    again.cluster._versions = bench.cluster._versions
    again.now = bench.now
    for document in bench.cluster.objects.values():
        if document["kind"] != "Event":
            again.process.store.put(document)
    replace_database(again, trio)
    return again


def events(bench: Bench, reason: str) -> list[str]:
    """Messages of the events with this reason."""
    found = [it for ref, it in bench.cluster.objects.items() if ref.kind == "Event" and it["reason"] == reason]
    return [str(it["message"]) for it in found]


def annotate(bench: Bench, **annotations: str) -> None:
    """Play a user who sets exactly these of our annotations."""
    stack = bench.cluster.objects[Ref(STACK_KIND, *KEY)]
    ours = {f"highconcurrency.dev/{name}": value for name, value in annotations.items()}
    bench.cluster.put({**stack, "metadata": {**stack["metadata"], "annotations": ours}})
