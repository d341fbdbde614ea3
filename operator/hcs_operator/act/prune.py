"""Deletes what a stack no longer wants, each object by its uid, so that a successor of the same name is never hit."""

from collections.abc import Iterable

from hcs_operator.api.observed import Child, Snapshot
from hcs_operator.kube.errors import Conflict
from hcs_operator.kube.port import Kube, Ref


async def prune(kube: Kube, snapshot: Snapshot, children: Iterable[Child]) -> list[str]:
    """Delete these children; return what was done in words."""
    done = []
    for child in children:
        uid = snapshot.live[child]["metadata"]["uid"]
        try:
            await kube.delete(Ref(child.kind, snapshot.namespace, child.name), uid)
        except Conflict:
            continue  # somebody made it anew in the meantime: the next look judges that one
        done.append(f"{child.kind} {child.name}: no longer wanted")
    return done
