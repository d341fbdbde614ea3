"""Metadata of a stack's objects: name, labels, and the owner that takes them along when it goes."""

from collections.abc import Mapping

from hcs_operator.api.crd import GROUP, KIND, VERSION
from hcs_operator.api.labels import labels
from hcs_operator.api.spec import Stack
from hcs_operator.build.context import Document


def metadata(stack: Stack, name: str, component: str, annotations: Mapping[str, str] | None = None) -> Document:
    """Metadata of one object."""
    found: Document = {
        "name": name,
        "namespace": stack.namespace,
        "labels": labels(stack.name, component),
        "ownerReferences": [owner(stack)],
    }
    if annotations:
        found["annotations"] = dict(annotations)
    return found


def owner(stack: Stack) -> Document:
    """The custom resource as owner."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "name": stack.name,
        "uid": stack.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def config_map(stack: Stack, name: str, component: str, data: Mapping[str, str]) -> Document:
    """A ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(stack, name, component),
        "data": dict(data),
    }
