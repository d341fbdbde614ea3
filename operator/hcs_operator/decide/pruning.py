"""Which of a stack's objects are no longer wanted: owned by this very resource, minus desired, minus kept."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime

from hcs_operator.api.crd import KIND
from hcs_operator.api.observed import Child, Document, Snapshot

AGAIN_SECONDS = 60.0
"""How long a Job that has failed for good stays to be seen before it is made anew."""


def owned(document: Document, uid: str) -> bool:
    """Say whether the object's controller is the custom resource with this uid (and not one of an earlier life)."""
    owners = document["metadata"].get("ownerReferences") or ()
    return any(owner.get("uid") == uid and owner.get("controller") for owner in owners)


def of_an_earlier_life(document: Document, stack: str, uid: str) -> bool:
    """Say whether the object's controller is a deleted resource of this name: the garbage collector is on its way."""
    owners = document["metadata"].get("ownerReferences") or ()
    controller: Document = next((owner for owner in owners if owner.get("controller")), {})
    named = controller.get("kind") == KIND and controller.get("name") == stack
    return named and controller.get("uid") != uid


def unwanted(snapshot: Snapshot, uid: str, desired: AbstractSet[Child], kept: AbstractSet[Child]) -> tuple[Child, ...]:
    """Return what to delete, in a stable order.

    Claims and pods are never in it: volumes follow `spec.database.storage.reclaim`, pods follow their owners.
    `kept` are objects that are made once and not described by a document: Secrets with passwords and keys. A Job that
    has failed for good goes after a while even if it is wanted, and is then made anew: what it failed for may have
    passed, and nobody has to be there.
    """
    return tuple(
        sorted(
            child
            for child, document in snapshot.live.items()
            if (child not in desired or _gave_up(document, snapshot.now))
            and child not in kept
            and child.kind not in {"PersistentVolumeClaim", "Pod"}
            and owned(document, uid)
            and not document["metadata"].get("deletionTimestamp")
        )
    )


def failure(job: Document) -> Document | None:
    """Return the condition by which a Job says that it has failed for good."""
    conditions: Iterable[Document] = (job.get("status") or {}).get("conditions") or ()
    return next((it for it in conditions if it["type"] == "Failed" and it["status"] == "True"), None)


def _gave_up(document: Document, now: float) -> bool:
    failed = failure(document) if document.get("kind") == "Job" else None
    if failed is None:
        return False
    since = failed.get("lastTransitionTime")
    return since is None or now - datetime.fromisoformat(since).timestamp() >= AGAIN_SECONDS
