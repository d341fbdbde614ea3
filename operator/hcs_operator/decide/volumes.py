"""How volumes grow: every claim of a StatefulSet first, then the template that its later claims are made from.

The template cannot be edited, so the StatefulSet is deleted without its pods and made again: pods and claims stay as
they are, and the new one adopts them. Until every claim has grown the StatefulSet keeps the template it has. So a claim
that the API server refuses to let grow (its StorageClass does not allow it) holds up nothing else, and the spec can be
set back: the template's size is told in `status.volumes`, below which the resource's own rule takes no size.

| claims                  | StatefulSet               | then                                                        |
|-------------------------|---------------------------|-------------------------------------------------------------|
| some are smaller        | there                     | ask for more; the template stays                            |
| some are smaller        | none: data was kept       | ask for more; made with the size of the smallest            |
| none is smaller         | with a smaller template   | told to leave its claims alone, then deleted without pods   |
| any                     | being deleted             | nothing, until it is gone                                   |
| none is smaller         | none, or of that size     | made, or left, with the wanted size                         |

What is larger than the spec says, claim or template, stays as it is.

Under `reclaim: Delete` the StatefulSet's controller makes itself the owner of the claims. A reference that it writes
while the StatefulSet is being deleted would name an owner that is gone, and the garbage collector would take the claim
with its data. So the policy is Retain first, and the deletion comes when the controller says that it has seen that.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hcs_operator.api.labels import COMPONENT
from hcs_operator.api.names import DB, QUEUE, REPLICA
from hcs_operator.api.observed import Child, Document, Snapshot
from hcs_operator.api.quantities import amount
from hcs_operator.api.volumes import requested, template_size

FIELDS = {
    DB: "spec.database.storage.size",
    REPLICA: "spec.readReplicas.storage.size",
    QUEUE: "spec.queue.storage.size",
}


@dataclass(frozen=True)
class Growth:
    """A bound claim that is to ask for `size`; `remedy` says what a person can do where that is refused."""

    claim: str
    uid: str
    size: str
    remedy: str


@dataclass(frozen=True)
class Volumes:
    """What the volumes need, and the documents as they can be carried out meanwhile."""

    documents: tuple[Document, ...]
    growing: tuple[Growth, ...] = ()
    remade: tuple[Child, ...] = ()
    """StatefulSets to delete without their pods: the next look makes them again."""


def volumes(documents: Iterable[Document], snapshot: Snapshot) -> Volumes:
    """Judge each StatefulSet with claims by itself; every other document passes."""
    found = [_judged(item, snapshot) if template_size(item) else Volumes((item,)) for item in documents]
    return Volumes(
        tuple(document for one in found for document in one.documents),
        tuple(growth for one in found for growth in one.growing),
        tuple(child for one in found for child in one.remade),
    )


def _judged(document: Document, snapshot: Snapshot) -> Volumes:
    child = Child(document["kind"], document["metadata"]["name"])
    live, wanted = snapshot.live.get(child), template_size(document) or ""
    if live is not None and live["metadata"].get("deletionTimestamp"):
        return Volumes(())
    smaller = [claim for claim in _claims(child, snapshot) if amount(requested(claim)) < amount(wanted)]
    has = (live and template_size(live)) or min(map(requested, smaller), key=amount, default=wanted)
    if live is not None and not smaller and amount(has) < amount(wanted):
        return Volumes((), remade=(child,)) if _leaves_claims(live) else Volumes((_leaving_claims(document, has),))
    field = FIELDS[document["metadata"]["labels"][COMPONENT]]
    back = f", or set {field} back to {has}" if amount(has) < amount(wanted) else ""
    return Volumes((_with_size(document, has),), tuple(_growing(smaller, wanted, back)))


def _growing(smaller: Iterable[Document], wanted: str, back: str) -> Iterator[Growth]:
    """Only a bound claim can be changed; one that is being bound grows after that."""
    for claim in smaller:
        metadata = claim["metadata"]
        if _phase(claim) == "Bound":
            words = f"set allowVolumeExpansion on {_class(claim)} if its driver can expand volumes{back}"
            yield Growth(metadata["name"], metadata["uid"], wanted, words)


def _class(claim: Document) -> str:
    name = claim["spec"].get("storageClassName")
    return f"StorageClass {name}" if name else "its StorageClass"


def _claims(child: Child, snapshot: Snapshot) -> list[Document]:
    """Return the claims with a volume, those of pods that have gone included, as they come back; and without one yet,
    those that a pod waits for. What has neither would hold the others up for ever, and is judged once it is bound.
    """
    name, pods = re.compile(rf"data-{re.escape(child.name)}-\d+"), {f"data-{pod.name}" for pod in snapshot.pods}
    return [
        claim
        for claim in snapshot.claims.values()
        if name.fullmatch(claim["metadata"]["name"])
        and not claim["metadata"].get("deletionTimestamp")
        and (_phase(claim) == "Bound" or (_phase(claim) == "Pending" and claim["metadata"]["name"] in pods))
    ]


def _phase(claim: Document) -> str:
    return str((claim.get("status") or {}).get("phase", "Pending"))


def _leaves_claims(live: Document) -> bool:
    """Say whether the controller writes no owner into claims any more; it judges one StatefulSet at a time."""
    policy = live["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    seen = (live.get("status") or {}).get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
    return seen and policy.get("whenDeleted") != "Delete"


def _leaving_claims(document: Document, size: str) -> dict[str, Any]:
    sized = _with_size(document, size)
    policy = {**document["spec"]["persistentVolumeClaimRetentionPolicy"], "whenDeleted": "Retain"}
    return {**sized, "spec": {**sized["spec"], "persistentVolumeClaimRetentionPolicy": policy}}


def _with_size(document: Document, size: str) -> dict[str, Any]:
    template = document["spec"]["volumeClaimTemplates"][0]
    sized = {**template, "spec": {**template["spec"], "resources": {"requests": {"storage": size}}}}
    return {**document, "spec": {**document["spec"], "volumeClaimTemplates": [sized]}}
