"""Looks at a stack's database: readers before members, so that a reader's GTID set is never the newer one."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

from hcs_operator.api.database import (
    ERRANT,
    EXPORTED_AT,
    Access,
    DatabaseView,
    Exported,
    Instance,
    InstanceView,
    Revision,
    Role,
    template_hash,
)
from hcs_operator.api.observed import Child, PodView, Reason
from hcs_operator.api.variables import set_at_run_time
from hcs_operator.mysql.errors import DatabaseError
from hcs_operator.mysql.port import DatabasePort

LOOK_SECONDS = 3.0
"""An instance that takes longer than this to answer counts as silent in this look."""

_ROLES = {"db": Role.MEMBER, "replica": Role.READER}


class Wishes(Protocol):
    """What the stack's spec asks of its database, already in seconds."""

    @property
    def namespace(self) -> str:
        """Where the stack lives."""

    @property
    def name(self) -> str:
        """The stack's name."""

    @property
    def uid(self) -> str:
        """The custom resource's uid: a stack made anew is another one."""

    @property
    def members(self) -> int:
        """How many members the group is to have."""

    @property
    def max_lag(self) -> float:
        """Seconds a reader may be behind and still serve."""

    @property
    def max_staleness(self) -> float:
        """Seconds for which readers serve without a primary."""

    @property
    def drain_timeout(self) -> float:
        """Seconds after which a leaving reader goes although reads still run on it."""

    @property
    def promote(self) -> str:
        """The member that is to lead, on request."""

    @property
    def allow_data_loss(self) -> str:
        """The members that are lost for good, with commas between them."""

    @property
    def errant(self) -> str:
        """What becomes of an instance with transactions of its own: Rebuild or Quarantine."""

    @property
    def paused(self) -> bool:
        """Nothing is changed."""

    @property
    def credentials_secret(self) -> str:
        """Name of the Secret with the accounts' passwords."""


async def look(
    port: DatabasePort,
    wishes: Wishes,
    pods: Iterable[PodView],
    *,
    secrets: Mapping[str, Mapping[str, str]],
    live: Mapping[Child, Mapping[str, Any]],
    claims: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    exports: Iterable[Mapping[str, Any]] = (),
    cluster_domain: str = "cluster.local",
) -> DatabaseView:
    """Ask every database pod of a stack; never raises DatabaseError: an instance that does not answer is silent."""
    ca = secrets.get(f"{wishes.name}-ca", {}).get("ca.crt", "")
    passwords = {name: text.strip() for name, text in secrets.get(wishes.credentials_secret, {}).items()}
    admin = Access("hcs_admin", passwords.get("admin-password", ""), ca)
    instances = [(pod, _instance(pod, wishes.namespace, cluster_domain, admin)) for pod in sorted(pods, key=_order)]
    views: dict[str, InstanceView] = {}
    for role in (Role.READER, Role.MEMBER):
        asked = [_ask(port, instance, pod) for pod, instance in instances if instance.role is role]
        views.update({view.instance.name: view for view in await asyncio.gather(*asked)})
    return DatabaseView(
        namespace=wishes.namespace,
        stack=wishes.name,
        uid=wishes.uid,
        members_wanted=wishes.members,
        max_lag=wishes.max_lag,
        max_staleness=wishes.max_staleness,
        drain_timeout=wishes.drain_timeout,
        promote=wishes.promote,
        allow_data_loss=wishes.allow_data_loss,
        errant=wishes.errant,
        exports=tuple(_exported(document["metadata"]) for document in exports),
        paused=wishes.paused,
        instances=tuple(views[instance.name] for _, instance in instances),
        revisions=_revisions(wishes.name, live),
        absent=_absent(wishes.name, live, [pod.component for pod, _ in instances]),
        starts=_starts(wishes.name, live),
        kept=_kept(wishes.name, claims),
        unbound=frozenset(name for name, claim in claims.items() if _holds_nothing(claim.get("spec") or {})),
        replication=Access("hcs_repl", passwords["repl-password"], ca) if "repl-password" in passwords else None,
    )


def _holds_nothing(claim: Mapping[str, Any]) -> bool:
    """Tell of a claim that never had a volume; one made of a snapshot or of another volume will hold its data."""
    return not any(claim.get(word) for word in ("volumeName", "dataSource", "dataSourceRef"))


def without_refused(view: DatabaseView, unmade: Collection[Child]) -> DatabaseView:
    """Return the view that waits for no pod which a quota or a policy refuses.

    A change that makes room for it may be the very one that is to be rolled.
    """
    refused = {
        role for component, role in _ROLES.items() if Child("StatefulSet", f"{view.stack}-{component}-0") in unmade
    }
    return replace(view, absent=view.absent - refused)


def _kept(stack: str, claims: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Name the readers' volume claims that go with nothing: one that is to be deleted has an owner, or goes already."""
    readers = (name for name in sorted(claims) if name.startswith(f"data-{stack}-replica-0-"))
    going = ("ownerReferences", "deletionTimestamp")
    return tuple(name for name in readers if not any(claims[name]["metadata"].get(word) for word in going))


def _exported(metadata: Mapping[str, Any]) -> Exported:
    """Read what an export says of itself; whoever took its annotations away has it count for nothing."""
    notes = metadata.get("annotations") or {}
    return Exported(metadata["name"], metadata["labels"][ERRANT], notes.get(ERRANT, ""), notes.get(EXPORTED_AT, ""))


def _order(pod: PodView) -> tuple[str, int]:
    set_name, _, ordinal = pod.name.rpartition("-")
    return set_name, int(ordinal)


def _instance(pod: PodView, namespace: str, cluster_domain: str, access: Access) -> Instance:
    service = pod.name.rpartition("-")[0]
    host = f"{pod.name}.{service}.{namespace}.svc.{cluster_domain}"
    return Instance(pod.name, _ROLES[pod.component], host, pod.ip, access)


async def _ask(port: DatabasePort, instance: Instance, pod: PodView) -> InstanceView:
    if not instance.address:
        return InstanceView(instance, pod, None, pod.problem or Reason("PodStarting", "its pod has no address yet"))
    if not instance.access.password or not instance.access.ca:
        return InstanceView(instance, pod, None, Reason("NoCredentials", "its password or authority is not there yet"))
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return InstanceView(instance, pod, await port.examine(instance))
    except TimeoutError:
        return InstanceView(instance, pod, None, Reason("TimedOut", f"no answer within {LOOK_SECONDS:.0f} s"))
    except DatabaseError as error:
        return InstanceView(instance, pod, None, Reason(error.word, str(error)))


def _starts(stack: str, live: Mapping[Child, Mapping[str, Any]]) -> dict[Role, Mapping[str, str | None]]:
    """Read my.cnf as it lies in the cluster, not as the spec has it: that is what a server starts with next."""
    files = {role: live.get(Child("ConfigMap", f"{stack}-{component}-0")) for component, role in _ROLES.items()}
    return {role: set_at_run_time(it["data"]["my.cnf"]) for role, it in files.items() if it and "data" in it}


def _statefulsets(stack: str, live: Mapping[Child, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """(component, document) of those that are there."""
    found = ((component, live.get(Child("StatefulSet", f"{stack}-{component}-0"))) for component in _ROLES)
    return [(component, workload) for component, workload in found if workload is not None]


def _absent(stack: str, live: Mapping[Child, Mapping[str, Any]], components: Sequence[str]) -> frozenset[Role]:
    """Count pods ourselves: what a StatefulSet says of them is older than the news that one is gone."""
    return frozenset(
        _ROLES[component]
        for component, workload in _statefulsets(stack, live)
        if components.count(component) < int(workload["spec"].get("replicas", 1))
    )


def _revisions(stack: str, live: Mapping[Child, Mapping[str, Any]]) -> dict[Role, Revision]:
    """Read which template is current; a StatefulSet whose controller has not seen its last change tells nothing yet."""
    found = {}
    for component, workload in _statefulsets(stack, live):
        status = workload.get("status") or {}
        fingerprint = template_hash(workload)
        current = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
        if fingerprint and status.get("updateRevision") and current:
            found[_ROLES[component]] = Revision(status["updateRevision"], fingerprint)
    return found
