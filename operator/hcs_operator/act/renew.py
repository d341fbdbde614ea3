"""Writes on pods that Secrets they mount were made anew, so that their kubelets renew the files at once."""

from collections.abc import Mapping

from hcs_operator.act.pods import note
from hcs_operator.api.observed import Snapshot
from hcs_operator.decide.renewal import RENEWED
from hcs_operator.kube.port import MOUNTED_SECRETS, Kube


async def renew(kube: Kube, snapshot: Snapshot, wanted: Mapping[str, str]) -> list[str]:
    """Give these pods these values of the annotation; return what was done in words."""
    done = []
    for pod in snapshot.pods:
        if pod.name not in wanted:
            continue
        if await note(kube, snapshot, pod, MOUNTED_SECRETS, annotations={RENEWED: wanted[pod.name]}):
            done.append(f"Pod {pod.name}: mounts a Secret that was made anew")
    return done
