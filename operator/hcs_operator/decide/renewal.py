"""Which pods still have an earlier Secret's files mounted, and what to write on them so that the kubelet looks at once.

By itself the kubelet renews mounted files about once a minute; any change of a pod's annotations makes it look at the
pod, and with it at the mounts, at that moment. Pod templates stay as they are, so no pod is restarted.

A Secret that is older than a pod was mounted as it is: nothing is written in a normal start. Both times have the API
server's own clock and whole seconds; a Secret of the same second counts as older and waits for the kubelet's minute. A
pod without an address has yet to mount anything.
"""

from collections.abc import Mapping
from datetime import datetime

from hcs_operator.api.labels import PREFIX
from hcs_operator.api.observed import Document, PodView, Snapshot

RENEWED = f"{PREFIX}/secrets-renewed"
"""On a pod: the uids of the Secrets made anew since it began, in order; its kubelet has been told of them."""


def renewals(snapshot: Snapshot) -> Mapping[str, str]:
    """Return by pod the value that its annotation `RENEWED` lacks; a pod that was told already is absent."""
    secrets = {child.name: document for child, document in snapshot.live.items() if child.kind == "Secret"}
    told = {pod.name: _newer(pod, secrets) for pod in snapshot.pods if pod.ip and not pod.deleting}
    return {
        pod.name: told[pod.name]
        for pod in snapshot.pods
        if told.get(pod.name) and pod.annotations.get(RENEWED) != told[pod.name]
    }


def _newer(pod: PodView, secrets: Mapping[str, Document]) -> str:
    """Return the uids of the Secrets that this pod mounts and that are younger than it."""
    mounted = [secrets[name]["metadata"] for name in pod.secrets if name in secrets]
    return ",".join(sorted(metadata["uid"] for metadata in mounted if _made(metadata) > pod.created_at))


def _made(metadata: Document) -> float:
    return datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()
