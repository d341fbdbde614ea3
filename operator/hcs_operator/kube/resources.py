"""Where each kind lives in the API: the operator uses a fixed set of kinds, so it needs no discovery requests."""

from typing import NamedTuple

API_VERSION = "highconcurrency.dev/v1alpha1"
STACK_KIND = "HighConcurrencyStack"
SCALER_KIND = "HorizontalPodAutoscaler"
"""Watched in all namespaces: one that targets a workload of ours owns its count. KEDA acts through one, too."""


class Resource(NamedTuple):
    """One kind's address: `apiVersion` and the plural name in its paths."""

    api_version: str
    plural: str

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Return the URL path; an empty namespace means all namespaces (for lists only)."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        parts = [root, *(("namespaces", namespace) if namespace else ()), self.plural]
        return "/".join([*parts, *(part for part in (name, subresource) if part)])

    @property
    def group(self) -> str:
        """Return the API group; the core group is the empty string."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """Return the version inside the group."""
        return self.api_version.rpartition("/")[2]


RESOURCES: dict[str, Resource] = {
    STACK_KIND: Resource(API_VERSION, "highconcurrencystacks"),
    "ConfigMap": Resource("v1", "configmaps"),
    "Event": Resource("v1", "events"),
    "PersistentVolumeClaim": Resource("v1", "persistentvolumeclaims"),
    "Pod": Resource("v1", "pods"),
    "Secret": Resource("v1", "secrets"),
    "Service": Resource("v1", "services"),
    "ServiceAccount": Resource("v1", "serviceaccounts"),
    "Deployment": Resource("apps/v1", "deployments"),
    "StatefulSet": Resource("apps/v1", "statefulsets"),
    "Job": Resource("batch/v1", "jobs"),
    "HorizontalPodAutoscaler": Resource("autoscaling/v2", "horizontalpodautoscalers"),
    "Lease": Resource("coordination.k8s.io/v1", "leases"),
    "NetworkPolicy": Resource("networking.k8s.io/v1", "networkpolicies"),
    "PodDisruptionBudget": Resource("policy/v1", "poddisruptionbudgets"),
}

PRUNED_KINDS: tuple[str, ...] = (
    "ConfigMap",
    "Secret",
    "Service",
    "ServiceAccount",
    "Deployment",
    "StatefulSet",
    "Job",
    "NetworkPolicy",
    "PodDisruptionBudget",
)
"""Kinds the operator makes, and deletes when they are no longer wanted."""

WATCHED_KINDS: tuple[str, ...] = (*PRUNED_KINDS, "Pod", "PersistentVolumeClaim")
"""Kinds watched by the stack's label: what the operator makes, and what the controllers make out of it."""
