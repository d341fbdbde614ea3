"""Lets claims grow, and deletes StatefulSets without their pods, so that they are made again with a larger template."""

from collections.abc import Iterable

from hcs_operator.act.apply import REFUSED_AGAIN, Record, Refusal
from hcs_operator.api.observed import Child, Reason, Snapshot
from hcs_operator.decide.volumes import Growth
from hcs_operator.kube.errors import Conflict, Refused
from hcs_operator.kube.port import VOLUMES, Kube, Ref
from hcs_operator.observe.store import WatchStore


async def grow(
    kube: Kube, store: WatchStore, snapshot: Snapshot, record: Record, growing: Iterable[Growth]
) -> tuple[list[str], list[Reason]]:
    """Ask for more; return what was done, and what the API server refuses, each in words.

    A refused claim is asked again after `REFUSED_AGAIN` seconds: its StorageClass may allow it by then.
    """
    done, problems = [], []
    for growth in growing:
        child = Child("PersistentVolumeClaim", growth.claim)
        known = record.refused.get(child)
        if known and known.digest == growth.size and snapshot.now < known.until:
            problems.append(known.reason)
            continue
        try:
            await _ask(kube, store, snapshot.namespace, growth)
        except Conflict:
            continue  # made anew meanwhile: the next look judges that one
        except Refused as failure:
            said = str(failure).rstrip(".")
            words = f"{child.kind} {child.name} cannot grow to {growth.size}: {said}; {growth.remedy}"
            reason = Reason("VolumeCannotGrow", words)
            record.refused[child] = Refusal(growth.size, reason, snapshot.now + REFUSED_AGAIN)
            problems.append(reason)
            continue
        record.refused.pop(child, None)
        done.append(f"{child.kind} {child.name}: grows to {growth.size}")
    return done, problems


async def _ask(kube: Kube, store: WatchStore, namespace: str, growth: Growth) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": growth.claim, "namespace": namespace, "uid": growth.uid},
        "spec": {"resources": {"requests": {"storage": growth.size}}},
    }
    store.put(await kube.apply(document, manager=VOLUMES))


async def remake(kube: Kube, snapshot: Snapshot, record: Record, sets: Iterable[Child]) -> list[str]:
    """Delete these and leave their pods and claims; return what was done in words."""
    done = []
    for child in sets:
        uid = snapshot.live[child]["metadata"]["uid"]
        try:
            await kube.delete(Ref(child.kind, snapshot.namespace, child.name), uid, orphan=True)
        except Conflict:
            continue  # somebody made it anew in the meantime: the next look judges that one
        record.known.discard(child)  # nobody else has deleted it
        done.append(f"{child.kind} {child.name}: made again for larger volumes, its pods stay")
    return done
