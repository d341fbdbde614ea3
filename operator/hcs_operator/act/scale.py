"""Carries out replica counts. Up at once; down only with pods that do nothing.

Workers go in two phases: idle ones are marked as the cheapest to delete (once), asked to take nothing new, asked again
what they work on, and only those that still say "nothing" are taken off the count. A drain lapses by itself
(`DRAIN_TTL`), so a crash between the phases leaves no worker idle for good.
"""

from collections.abc import Sequence

from hcs_operator.api.observed import PodView, Snapshot
from hcs_operator.kube.errors import Conflict
from hcs_operator.kube.port import COUNTS, Kube, Ref
from hcs_operator.observe.ports import ServicePort

DRAIN_TTL = 30
"""Seconds for which a worker keeps its promise to take nothing new."""
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
CHEAP = "-1000"


async def out(kube: Kube, ref: Ref, count: int) -> None:
    """Raise the count."""
    await kube.scale(ref, count)


async def workers_in(kube: Kube, services: ServicePort, snapshot: Snapshot, ref: Ref, change: tuple[int, int]) -> int:
    """Lower the workers' count from `change[0]` towards `change[1]` as far as idle pods allow; return the new count."""
    current, desired = change
    token = snapshot.secrets.get(f"{snapshot.stack}-tokens", {}).get("drain", "")
    chosen = _idle(snapshot)[: current - desired - _absent(snapshot, current)]
    await _mark(kube, snapshot, chosen)
    drained = [pod for pod in chosen if await services.drain(pod.ip, token, DRAIN_TTL)]
    verified = 0
    for pod in drained:
        seen = await services.inflight(pod.name, pod.ip)
        verified += seen is not None and seen.tasks == 0
    target = max(desired, current - verified - _absent(snapshot, current))
    if verified < len(chosen):
        # A pod that was marked but may be busy must not be the one that goes: nothing is lowered this time.
        await _mark(kube, snapshot, ())
        return current
    if target < current:
        await kube.scale(ref, target)
    return target


def _idle(snapshot: Snapshot) -> list[PodView]:
    """Return ready workers that say they do nothing, the youngest first: the old ones have warm caches."""
    pods = [
        pod
        for pod in snapshot.ready("worker")
        if (seen := snapshot.inflight.get(pod.name)) is not None and seen.tasks == 0
    ]
    return sorted(pods, key=lambda pod: (-pod.created_at, pod.name))


def _absent(snapshot: Snapshot, current: int) -> int:
    """Return how many counted pods are not ready: those are deleted first, whatever is marked."""
    return max(0, current - len(snapshot.ready("worker")))


async def _mark(kube: Kube, snapshot: Snapshot, chosen: Sequence[PodView]) -> None:
    """Give exactly the chosen pods the low deletion cost."""
    names = {pod.name for pod in chosen}
    for pod in snapshot.of("worker"):
        marked = pod.annotations.get(DELETION_COST) == CHEAP
        if marked == (pod.name in names):
            continue
        annotations = {DELETION_COST: CHEAP} if pod.name in names else {}
        metadata = {"name": pod.name, "namespace": snapshot.namespace, "uid": pod.uid, "annotations": annotations}
        try:
            await kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}, manager=COUNTS)
        except Conflict:
            continue  # the pod is gone already
