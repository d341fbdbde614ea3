"""Pods: what all of a stack's have in common, and how a user's template is laid over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hcs_operator.api.labels import labels, selector
from hcs_operator.api.model import Model
from hcs_operator.api.quantities import amount
from hcs_operator.api.spec import Stack
from hcs_operator.api.spec_tiers import PodTemplate, Resources
from hcs_operator.build.context import Document

SERVICES_USER = 65532
ENGINE_USER = 999
"""mysql, redis and rabbitmq in their images."""


@dataclass(frozen=True)
class Sizes:
    """A container's resources unless the spec says otherwise; Kubernetes quantities."""

    cpu: str
    memory: str
    cpu_limit: str
    memory_limit: str

    def with_spec(self, spec: Resources) -> Document:
        """The spec's quantities over these; a default gives way where it would contradict what the spec says."""
        requests = {"cpu": self.cpu, "memory": self.memory, **spec.requests}
        limits = {"cpu": self.cpu_limit, "memory": self.memory_limit, **spec.limits}
        for resource in requests.keys() & limits.keys():
            if amount(requests[resource]) > amount(limits[resource]):
                if resource not in spec.limits:
                    limits[resource] = requests[resource]
                elif resource not in spec.requests:
                    requests[resource] = limits[resource]
        return {"requests": requests, "limits": limits}


def security(user: int) -> Document:
    """A container's security context."""
    return {
        "runAsUser": user,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


@dataclass(frozen=True)
class Pod:
    """What differs from pod to pod."""

    component: str
    containers: Sequence[Document]
    volumes: Sequence[Document] = ()
    init: Sequence[Document] = ()
    group: int | None = None
    """fsGroup; None where no volume needs one."""
    grace_seconds: int = 30
    annotations: Mapping[str, str] = field(default_factory=dict)
    restart: str = "Always"
    apart: bool = False
    """Each pod on a node of its own, or it waits for one."""


def pod_template(stack: Stack, pod: Pod, *own: PodTemplate) -> Document:
    """A workload's pod template; `own` templates are laid over the stack's."""
    template = _merged(stack.spec.template, *own)
    spec: Document = {
        "serviceAccountName": stack.names.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # Names like x.ns.svc.cluster.local, looked up each second, are asked for as they stand; Kubernetes' own five
        # dots put six questions in vain before each.
        "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
        "terminationGracePeriodSeconds": pod.grace_seconds,
        "restartPolicy": pod.restart,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **({"fsGroup": pod.group, "fsGroupChangePolicy": "OnRootMismatch"} if pod.group else {}),
        },
        "containers": list(pod.containers),
        "volumes": list(pod.volumes),
        "affinity": template.affinity or _apart(stack, pod.component, required=pod.apart),
    }
    if pod.init:
        spec["initContainers"] = list(pod.init)
    metadata: Document = {"labels": {**template.labels, **labels(stack.name, pod.component)}}
    annotations = {**template.annotations, **pod.annotations}
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": {**spec, **_placement(template, selector(stack.name, pod.component))}}


def _merged(*templates: PodTemplate) -> PodTemplate:
    """Later templates over earlier ones: maps key by key, the rest as a whole where set."""
    values: dict[str, Any] = {}
    for template in templates:
        for name in PodTemplate.model_fields:
            value = getattr(template, name)
            if value:
                values[name] = {**values.get(name, {}), **value} if _is_map(name) else value
    return PodTemplate(**values)


def _is_map(name: str) -> bool:
    return name in {"labels", "annotations", "node_selector"}


def _placement(template: PodTemplate, own: Mapping[str, str]) -> Document:
    """The parts of a template that a pod's spec carries only when they are set.

    A spread constraint without a selector spreads the component's own pods: one template serves several components.
    """
    found = {
        "nodeSelector": template.node_selector,
        "tolerations": list(template.tolerations),
        "topologySpreadConstraints": [
            {"labelSelector": {"matchLabels": dict(own)}, **constraint} for constraint in template.topology_spread
        ],
        "priorityClassName": template.priority_class_name,
        "imagePullSecrets": [_plain(secret) for secret in template.image_pull_secrets],
    }
    return {name: value for name, value in found.items() if value}


def _plain(model: Model) -> Document:
    return model.model_dump(by_alias=True)


def _apart(stack: Stack, component: str, *, required: bool) -> Document:
    """On separate nodes, or rather so."""
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": selector(stack.name, component)},
    }
    if required:
        return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]
        }
    }


def from_pod(name: str, path: str) -> Document:
    """A variable that the kubelet fills in from the pod itself."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path, "apiVersion": "v1"}}}


def http_probe(path: str, port: str | int, *, period: int, failures: int, timeout: int = 2) -> Document:
    """A probe by HTTP; times in seconds."""
    get = {"path": path, "port": port, "scheme": "HTTP"}
    return {"httpGet": get, "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": timeout}


def empty_dir(name: str, size: str, *, memory: bool = False) -> Document:
    """A scratch volume of bounded size, since the root is read-only."""
    return {"name": name, "emptyDir": {"sizeLimit": size, **({"medium": "Memory"} if memory else {})}}


def claim_template(stack: Stack, component: str, size: str, class_name: str | None) -> Document:
    """The volume claim `data` of a StatefulSet."""
    spec: Document = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if class_name:
        spec["storageClassName"] = class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": labels(stack.name, component)},
        "spec": spec,
    }


def retention(reclaim: str) -> Document:
    """What becomes of claims: a removed ordinal's is kept, it may come back."""
    return {"whenDeleted": reclaim, "whenScaled": "Retain"}
