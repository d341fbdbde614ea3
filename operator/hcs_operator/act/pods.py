"""Notes on pods, which others make: each of our field managers owns labels or annotations of its own there."""

from collections.abc import Mapping

from hcs_operator.api.observed import PodView, Snapshot
from hcs_operator.kube.errors import Conflict
from hcs_operator.kube.port import Kube


async def note(kube: Kube, snapshot: Snapshot, pod: PodView, manager: str, **words: Mapping[str, str]) -> bool:
    """Make `labels=` or `annotations=` exactly those that the manager owns on the pod; False if it is gone already."""
    # The uid keeps an apply from making a pod of that name when this one is gone.
    metadata = {"name": pod.name, "namespace": snapshot.namespace, "uid": pod.uid, **words}
    try:
        await kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}, manager=manager)
    except Conflict:
        return False
    return True
