"""Gathers the Snapshot of one stack."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hcs_operator.api.database import ERRANT
from hcs_operator.api.names import Names
from hcs_operator.api.observed import Child, Document, Snapshot
from hcs_operator.decide.pruning import of_an_earlier_life, owned
from hcs_operator.kube.port import Kube, Ref
from hcs_operator.observe import engines
from hcs_operator.observe.pods import made_by, pod_view
from hcs_operator.observe.ports import QueuePort, ServicePort
from hcs_operator.observe.store import Key, WatchStore
from hcs_operator.observe.warnings import Warnings, unmade, unstarted


@dataclass(frozen=True)
class Sources:
    """Where a look gets its facts from."""

    kube: Kube
    store: WatchStore
    queue: QueuePort
    services: ServicePort
    cluster_domain: str
    warnings: Warnings


@dataclass(frozen=True)
class Wanted:
    """What to look for besides the labelled children."""

    uid: str
    user_secrets: tuple[str, ...]
    """Secrets of the user's that the spec names; they carry no label, so they are read one by one."""
    queue_secret: str
    queue_host: str
    """The Service's name; a pod's is before it."""


async def look(key: Key, wanted: Wanted, sources: Sources, now: float) -> Snapshot:
    """Return the objects of a stack as they are now; `ask` adds what engines and services say."""
    children = sources.store.children(key)
    names = Names(key.stack)
    pods = [child for child in children if child["kind"] == "Pod" and made_by(names, child)]
    live = {
        Child(child["kind"], child["metadata"]["name"]): child
        for child in children
        if child["kind"] not in {"Pod", "PersistentVolumeClaim"} and owned(child, wanted.uid)
    }
    earlier = [child for child in children if of_an_earlier_life(child, key.stack, wanted.uid)]
    waiting = [pod for pod in pods if unstarted(pod, now)]
    lacking = {child: workload for child, workload in live.items() if unmade(workload, now)}
    told = await sources.warnings.about((*waiting, *lacking.values()), now)
    return Snapshot(
        namespace=key.namespace,
        stack=key.stack,
        now=now,
        live=live,
        earlier=frozenset(Child(child["kind"], child["metadata"]["name"]) for child in earlier),
        pods=tuple(pod_view(pod, told.get(pod["metadata"]["uid"])) for pod in pods),
        claims={child["metadata"]["name"]: child for child in children if child["kind"] == "PersistentVolumeClaim"},
        exports=tuple(child for child in children if _exported(child)),
        unmade={child: told[uid] for child, it in lacking.items() if (uid := it["metadata"]["uid"]) in told},
        secrets=await _secrets(key, live, wanted, sources.kube),
        outside_scalers=_outside(sources.store.scalers(key.namespace), live),
    )


def _exported(child: Document) -> bool:
    return child["kind"] == "ConfigMap" and ERRANT in (child["metadata"].get("labels") or {})


async def ask(snapshot: Snapshot, wanted: Wanted, sources: Sources) -> Snapshot:
    """Return the snapshot with the figures of queue and services."""
    password = snapshot.secrets.get(wanted.queue_secret, {}).get("password")
    figures = await engines.ask(
        snapshot.pods, sources.queue, sources.services, queue_host=wanted.queue_host, queue_password=password
    )
    return replace(
        snapshot,
        selftests=figures.selftests,
        queue=figures.queue,
        reads=figures.reads,
        inflight=figures.inflight,
    )


async def _secrets(key: Key, live: Mapping[Child, Document], wanted: Wanted, kube: Kube) -> dict[str, dict[str, str]]:
    """Return the decoded data of the stack's own Secrets and of the user's; a missing one is absent."""
    found = {child.name: _decoded(document) for child, document in live.items() if child.kind == "Secret"}
    for name in wanted.user_secrets:
        if name not in found:
            document = await kube.get(Ref("Secret", key.namespace, name))
            if document is not None and not of_an_earlier_life(document, key.stack, wanted.uid):
                found[name] = _decoded(document)
    return found


def _decoded(secret: Document) -> dict[str, str]:
    data: Mapping[str, str] = secret.get("data") or {}
    return {name: base64.b64decode(value).decode(errors="replace") for name, value in data.items()}


def _outside(scalers: Iterable[Document], live: Mapping[Child, Document]) -> dict[Child, str]:
    """Return which of the stack's workloads somebody else's scaler targets."""
    found = {}
    for scaler in scalers:
        target = scaler["spec"]["scaleTargetRef"]
        child = Child(target["kind"], target["name"])
        if child in live:
            owner = next(iter(scaler["metadata"].get("ownerReferences") or ()), None)
            name = f"{owner['kind']} {owner['name']}" if owner else f"{scaler['kind']} {scaler['metadata']['name']}"
            found[child] = name
    return found
