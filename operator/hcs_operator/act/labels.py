"""Puts the role labels on database pods, by which the Services `-primary` and `-read` select them."""

from collections.abc import Mapping

from hcs_operator.act.pods import note
from hcs_operator.api.observed import Snapshot
from hcs_operator.kube.port import DATABASE_LABELS, Kube


async def label(kube: Kube, snapshot: Snapshot, wanted: Mapping[str, Mapping[str, str | None]]) -> list[str]:
    """Make these pods carry these labels (None: not); return what was done in words."""
    done = []
    for pod in snapshot.pods:
        labels = wanted.get(pod.name)
        if labels is None or all(pod.labels.get(name) == value for name, value in labels.items()):
            continue
        kept = {name: value for name, value in labels.items() if value is not None}
        if not await note(kube, snapshot, pod, DATABASE_LABELS, labels=kept):
            continue
        shown = ", ".join(f"{name.rpartition('/')[2]}={value or 'none'}" for name, value in labels.items())
        done.append(f"Pod {pod.name}: {shown}")
    return done
