"""The port through which everything the operator does to Kubernetes goes; `aio.Client` and `fake.Cluster` implement it.

Documents are plain dicts as the API server takes and gives them. Errors are those of `kube.errors`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

Document = Mapping[str, Any]

CHILDREN = "hcs-operator"
"""Field manager of the children's documents."""
STATUS = "hcs-operator-status"
"""Field manager of the custom resource's status."""
COUNTS = "hcs-autoscaler"
"""Field manager of replica counts that autoscaling owns."""
DATABASE_LABELS = "hcs-operator-labels"
"""Field manager of role labels on pods: apart from `CHILDREN`, as the pods themselves are made by StatefulSets."""
MOUNTED_SECRETS = "hcs-operator-secrets"
"""Field manager of the annotation on pods that tells their kubelets of Secrets made anew."""
VOLUMES = "hcs-operator-volumes"
"""Field manager of the size of claims that have grown: StatefulSets make claims, and never change them."""


class Ref(NamedTuple):
    """Names one object."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def to(cls, document: Document) -> "Ref":
        """Return the name of this document."""
        metadata = document["metadata"]
        return cls(document["kind"], metadata.get("namespace", ""), metadata["name"])


class Listing(NamedTuple):
    """Objects as they were at one resourceVersion of the whole list."""

    items: list[dict[str, Any]]
    resource_version: str


class Kube(Protocol):
    """What the operator needs from the API server."""

    async def get(self, ref: Ref) -> dict[str, Any] | None:
        """Read one object; None when it does not exist."""

    async def list(self, kind: str, namespace: str = "", selector: str = "", *, fields: str = "") -> Listing:
        """List one kind in a namespace ("" means all) by label and field; items carry `kind` and `apiVersion`."""

    async def apply(
        self, document: Document, *, manager: str = CHILDREN, force: bool = True, subresource: str = ""
    ) -> dict[str, Any]:
        """Server-side apply exactly these fields; with `metadata.resourceVersion` only at that version (Conflict)."""

    async def create(self, document: Document) -> dict[str, Any]:
        """Create an object that must not exist yet; Conflict when it does."""

    async def replace(self, document: Document) -> dict[str, Any]:
        """Replace an object as a whole; its `metadata.resourceVersion` must be current, else Conflict."""

    async def delete(self, ref: Ref, uid: str, *, orphan: bool = False) -> None:
        """Delete that very object (Conflict when another one has the name now); what is gone already is fine.

        What it owns goes with it; `orphan` leaves that without an owner, and the object itself goes when that is done.
        """

    async def evict(self, ref: Ref, uid: str) -> None:
        """Delete that very pod as a drain would (Conflict when another one has the name now); one that is gone is fine.

        BudgetSpent while its disruption budget lets none go.
        """

    async def scale(self, ref: Ref, count: int) -> None:
        """Set the replica count through `/scale` as manager `hcs-autoscaler`, which then owns the field."""
