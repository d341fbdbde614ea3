"""Carries out replica counts. Up at once; down only with pods that do nothing.

Workers go in two phases: idle ones are marked as the cheapest to delete (once), asked to take nothing new, asked again
what they work on, and only those that still say "nothing" are taken off the count. A drain lapses by itself
(`DRAIN_TTL`), so a crash between the phases leaves no worker idle for good.

Pods that are not ready are deleted before marked ones, whatever they work on
(https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-down-a-replicaset).
"""

import asyncio
from collections.abc import Sequence

from hcs_operator.act.pods import note
from hcs_operator.api.observed import PodView, Snapshot
from hcs_operator.decide.scaling import busy_workers, idle
from hcs_operator.kube.port import COUNTS, Kube, Ref
from hcs_operator.observe.ports import ServicePort

DRAIN_TTL = 30
"""Seconds for which a worker keeps its promise to take nothing new."""
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
CHEAP = "-1000"


async def workers_in(kube: Kube, services: ServicePort, snapshot: Snapshot, ref: Ref, change: tuple[int, int]) -> int:
    """Lower the workers' count from `change[0]` towards `change[1]` as far as idle pods allow; return the new count."""
    current, desired = change
    if not all(pod.ready for pod in busy_workers(snapshot)):
        return current
    token = snapshot.secrets.get(f"{snapshot.stack}-tokens", {}).get("drain", "")
    absent = max(0, current - len(snapshot.ready("worker")))  # these are deleted first, marked or not
    chosen = _idle(snapshot)[: max(0, current - desired - absent)]
    await _mark(kube, snapshot, chosen)
    if not all(await asyncio.gather(*(_lets_go(services, pod, token) for pod in chosen))):
        # One that was marked may be busy by now: it must not be the one that goes, so nothing is lowered this time.
        await _unmark(kube, snapshot, chosen)
        return current
    target = max(desired, current - len(chosen) - absent)
    if target < current:
        await kube.scale(ref, target)
    return target


async def _lets_go(services: ServicePort, pod: PodView, token: str) -> bool:
    """Ask a worker to take nothing new, then whether it has nothing."""
    if not await services.drain(pod.ip, token, DRAIN_TTL):
        return False
    seen = await services.inflight(pod.name, pod.ip)
    return seen is not None and seen.tasks == 0


def _idle(snapshot: Snapshot) -> list[PodView]:
    """Return ready workers that say they do nothing, the youngest first: the old ones have warm caches."""
    pods = [pod for pod in snapshot.ready("worker") if idle(snapshot, pod)]
    return sorted(pods, key=lambda pod: (-pod.created_at, pod.name))


async def _mark(kube: Kube, snapshot: Snapshot, chosen: Sequence[PodView]) -> None:
    """Give exactly the chosen pods the low deletion cost."""
    names = {pod.name for pod in chosen}
    marked = {pod.name for pod in snapshot.of("worker") if pod.annotations.get(DELETION_COST) == CHEAP}
    await _unmark(kube, snapshot, [pod for pod in snapshot.of("worker") if pod.name in marked - names])
    for pod in chosen:
        if pod.name not in marked:
            await note(kube, snapshot, pod, COUNTS, annotations={DELETION_COST: CHEAP})


async def _unmark(kube: Kube, snapshot: Snapshot, pods: Sequence[PodView]) -> None:
    for pod in pods:
        await note(kube, snapshot, pod, COUNTS, annotations={})
