"""Looks at a database, put together for tests of the pure plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hcs_operator.api.database import (
    TEMPLATE_HASH,
    Access,
    Channel,
    DatabaseView,
    Facts,
    GroupState,
    Heartbeat,
    Instance,
    InstanceView,
    MemberGroup,
    Revision,
    Role,
)
from hcs_operator.api.observed import PodView, Reason
from hcs_operator.decide.database.outcome import DatabasePlan
from hcs_operator.decide.database.plan import plan

GROUP = "0b9c4d3e-1f2a-5b6c-8d7e-9f0a1b2c3d4e"
OTHER_GROUP = "11111111-1111-5111-8111-111111111111"
NOW = 1_790_000_000.0
READER = "shop-replica-0-0"
CLAIM = {"seed": "shop-db-0-0", "epoch": 1, "groupName": GROUP, "members": ["shop-db-0-0"]}
FOUNDED = {"claim": CLAIM, "bootstrapped": True}
REPLICATION = Access("hcs_repl", "secret", "ca")
_COMPONENTS = {Role.MEMBER: "db", Role.READER: "replica"}

OFFLINE = GroupState("OFFLINE", "", 0, 1)
LEADING = GroupState("ONLINE", "PRIMARY", 1, 1)
EMPTY = Facts("uuid", "9.7.4", super_read_only=True, gtid_executed="", gtid_purged="", member_group=None, group=OFFLINE)
WITH_GROUP = replace(EMPTY, member_group=MemberGroup(GROUP, 1, solo=True), gtid_executed=f"{GROUP}:1-10")
PRIMARY = replace(WITH_GROUP, super_read_only=False, group=LEADING, heartbeat=Heartbeat(NOW, 0.5))
CHANNEL = Channel("shop-db-0-0.shop-db-0.shop.svc.cluster.local", "ON", applying=True, managed_group=GROUP, owned=True)
FOLLOWING = replace(WITH_GROUP, channel=CHANNEL, heartbeat=Heartbeat(NOW, 0.5))


@dataclass(frozen=True)
class Wishes:
    """What a smallest stack asks of its database (`observe.database.Wishes`)."""

    uid: str
    namespace: str = "shop"
    name: str = "shop"
    members: int = 1
    max_lag: float = 5.0
    max_staleness: float = 60.0
    drain_timeout: float = 60.0
    promote: str = ""
    allow_data_loss: str = ""
    errant: str = "Rebuild"
    paused: bool = False
    credentials_secret: str = "shop-database"


def pod(name: str, role: Role, **changes: Any) -> PodView:
    found = PodView(
        name=name,
        uid=f"uid-{name}",
        component=_COMPONENTS[role],
        ip="10.0.0.1",
        node="node-1",
        ready=True,
        deleting=False,
        created_at=0.0,
        ready_at=0.0,
        image="mysql",
        labels={"controller-revision-hash": "new"},
        annotations={TEMPLATE_HASH: "new"},
        problem=None,
    )
    return replace(found, **changes)


def view_of(
    facts: Facts | None, role: Role, ordinal: int = 0, silence: Reason | None = None, **changes: Any
) -> InstanceView:
    component = _COMPONENTS[role]
    name = f"shop-{component}-0-{ordinal}"
    host = f"{name}.shop-{component}-0.shop.svc.cluster.local"
    instance = Instance(name, role, host, "10.0.0.1", Access("hcs_admin", "secret", "ca"))
    return InstanceView(instance, pod(name, role, **changes), facts, silence)


def member(facts: Facts | None, ordinal: int = 0, **changes: Any) -> InstanceView:
    return view_of(facts, Role.MEMBER, ordinal, **changes)


def reader(facts: Facts | None, ordinal: int = 0, **changes: Any) -> InstanceView:
    return view_of(facts, Role.READER, ordinal, **changes)


def view(*instances: InstanceView, **changes: Any) -> DatabaseView:
    found = DatabaseView(
        namespace="shop",
        stack="shop",
        uid="cr-uid",
        members_wanted=1,
        max_lag=4.0,
        max_staleness=60.0,
        drain_timeout=60.0,
        instances=instances,
        revisions={role: Revision("new", "new") for role in Role},
        replication=REPLICATION,
    )
    return replace(found, **changes)


def planned(*readers: InstanceView, primary: Facts = PRIMARY, **options: Any) -> DatabasePlan:
    previous = {**FOUNDED, **options.pop("previous", {})}
    arguments = {"journal": None, "now": NOW, **options}
    return plan(view(member(primary), *readers), previous=previous, **arguments)


def behind(seconds: float) -> Facts:
    return replace(FOLLOWING, heartbeat=Heartbeat(NOW - seconds, 0.0))


def eligible(*names: str) -> dict[str, Any]:
    return {"instances": [{"name": name, "readEligible": True} for name in names]}
