"""What the watches have seen: slim copies of stacks, their children, and the outside scalers that aim at them.

One process holds every stack's objects, so documents are stored without managedFields, and pods reduced to what is
looked at. A write's own answer goes in too, so that the next look does not act on a state it has itself just left
behind.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hcs_operator.kube.port import Ref
from hcs_operator.kube.resources import STACK_KIND

STACK_LABEL = "highconcurrency.dev/stack"


class Key(NamedTuple):
    """Names one stack: what the queue holds."""

    namespace: str
    stack: str


class WatchStore:
    """Objects by reference, and for each stack the references of its children."""

    def __init__(self) -> None:
        self._objects: dict[Ref, dict[str, Any]] = {}
        self._gone: dict[Ref, int] = {}
        """The version at which an object was deleted, for as long as a list may still have it."""
        self._children: defaultdict[Key, set[Ref]] = defaultdict(set)
        self._scalers: defaultdict[str, set[Ref]] = defaultdict(set)

    def put(self, document: Mapping[str, Any]) -> Key | None:
        """Remember this state of an object unless a newer one is known; return the stack it concerns."""
        ref = Ref.to(document)
        known = self._objects.get(ref)
        if max(_version(known) if known else 0, self._gone.get(ref, 0)) > _version(document):
            return None
        self._forget_index(ref)
        self._objects[ref] = slim(document)
        key = self._key(document)
        if ref.kind == "HorizontalPodAutoscaler":
            self._scalers[ref.namespace].add(ref)
        elif key is not None and ref.kind != STACK_KIND:
            self._children[key].add(ref)
        return key

    def drop(self, document: Mapping[str, Any]) -> Key | None:
        """Forget a deleted object (not a successor that already carries its name); return the stack it concerns."""
        ref = Ref.to(document)
        known = self._objects.get(ref)
        if known is not None and _uid(known) == _uid(document):
            self._forget_index(ref)
            del self._objects[ref]
        self._gone[ref] = _version(document)
        return self._key(document)

    def forget(self, ref: Ref) -> None:
        """Forget an object by name, after a read has found that it is not there."""
        self._forget_index(ref)
        self._objects.pop(ref, None)

    def reset(self, kind: str, namespace: str, documents: Iterable[Mapping[str, Any]], version: str) -> None:
        """Make one kind ("" = in all namespaces) equal to a list: heals deletions that a broken watch has swallowed."""
        seen = set()
        for document in documents:
            seen.add(Ref.to(document))
            self.put(document)
        for ref, known in list(self._objects.items()):
            if ref.kind != kind or ref in seen or namespace not in ("", ref.namespace):
                continue
            if _version(known) <= int(version):
                self.forget(ref)
        for ref, gone in list(self._gone.items()):
            if ref.kind == kind and namespace in ("", ref.namespace) and gone <= int(version):
                del self._gone[ref]

    def get(self, ref: Ref) -> dict[str, Any] | None:
        """Return one object as last seen."""
        return self._objects.get(ref)

    def children(self, key: Key) -> list[dict[str, Any]]:
        """Return everything that carries the stack's label, in a stable order."""
        return [self._objects[ref] for ref in sorted(self._children.get(key, ()))]

    def stacks(self) -> list[Key]:
        """Return the key of every known stack."""
        return [Key(ref.namespace, ref.name) for ref in self._objects if ref.kind == STACK_KIND]

    def scalers(self, namespace: str) -> list[dict[str, Any]]:
        """Return the HorizontalPodAutoscalers of a namespace (KEDA's ScaledObjects act through one, too)."""
        return [self._objects[ref] for ref in sorted(self._scalers.get(namespace, ()))]

    def _key(self, document: Mapping[str, Any]) -> Key | None:
        metadata = document["metadata"]
        if document["kind"] == STACK_KIND:
            return Key(metadata["namespace"], metadata["name"])
        stack = (metadata.get("labels") or {}).get(STACK_LABEL)
        return Key(metadata["namespace"], stack) if stack else None

    def _forget_index(self, ref: Ref) -> None:
        known = self._objects.get(ref)
        if known is None:
            return
        self._scalers[ref.namespace].discard(ref)
        key = self._key(known)
        if key is not None and key in self._children:
            self._children[key].discard(ref)
            if not self._children[key]:
                del self._children[key]


def slim(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object without what nobody reads."""
    metadata = {name: value for name, value in document["metadata"].items() if name != "managedFields"}
    if document["kind"] != "Pod":
        # Exported transactions are in binaryData, up to a megabyte of them: who needs one reads it anew.
        return {name: value for name, value in document.items() if name != "binaryData"} | {"metadata": metadata}
    spec = document.get("spec") or {}
    containers = [{"name": item["name"], "image": item["image"]} for item in spec.get("containers") or ()]
    volumes = [item for item in spec.get("volumes") or () if "secret" in item or "projected" in item]
    return {
        "apiVersion": document["apiVersion"],
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": spec.get("nodeName", ""), "containers": containers, "volumes": volumes},
        "status": dict(document.get("status") or {}),
    }


def _version(document: Mapping[str, Any]) -> int:
    """ResourceVersions of one kind compare as integers (https://kep.k8s.io/5504)."""
    return int(document["metadata"].get("resourceVersion") or 0)


def _uid(document: Mapping[str, Any]) -> str:
    return str(document["metadata"].get("uid", ""))
