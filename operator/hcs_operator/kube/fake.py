"""The Kubernetes port in memory, for tests: resourceVersions, field ownership, uid preconditions, owner garbage
collection.

It is honest about what the operator relies on (the same contract tests run against a real API server) and silent about
the rest: no schemas, no admission, and of the defaults only `spec.replicas: 1`.
"""

import base64
import copy
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from hcs_operator.kube.errors import BudgetSpent, Conflict, KubeError, NamespaceGone, NotFound
from hcs_operator.kube.merge import Leaf, flatten, unflatten
from hcs_operator.kube.port import CHILDREN, COUNTS, Document, Listing, Ref
from hcs_operator.kube.resources import RESOURCES

Watcher = Callable[[str, dict[str, Any]], None]

_SPEC_KINDS_WITH_COUNT = frozenset({"Deployment", "StatefulSet"})
_REPLICAS: Leaf = ("spec", "replicas")


class Cluster:
    """`kube.port.Kube` in memory. `writes` lists every write in order; `refuse` makes named writes fail."""

    def __init__(self) -> None:
        self.objects: dict[Ref, dict[str, Any]] = {}
        self.writes: list[tuple[str, Ref]] = []
        self.refuse: dict[tuple[str, Ref], KubeError] = {}
        self.terminating: set[str] = set()
        self._owned: dict[Ref, dict[str, set[Leaf]]] = {}
        self._versions = itertools.count(1)
        self._version = 0
        self._uids = itertools.count(1)
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher(type, object)` on every change, as the watch of a real API server would."""
        self._watchers.append(watcher)

    async def get(self, ref: Ref) -> dict[str, Any] | None:
        """Read one object."""
        return copy.deepcopy(self.objects.get(ref))

    async def list(self, kind: str, namespace: str = "", selector: str = "", *, fields: str = "") -> Listing:
        """List one kind by an equality or existence selector, and by the equality of one field."""
        chosen = [
            copy.deepcopy(document)
            for ref, document in self.objects.items()
            if ref.kind == kind
            and namespace in ("", ref.namespace)
            and _selected(document, selector)
            and _has(document, fields)
        ]
        return Listing(chosen, str(self._version))

    async def apply(
        self, document: Document, *, manager: str = CHILDREN, force: bool = True, subresource: str = ""
    ) -> dict[str, Any]:
        """Merge the document as server-side apply would."""
        ref = Ref.to(document)
        self._write("apply" if not subresource else f"apply/{subresource}", ref)
        live = self.objects.get(ref)
        if live is None:
            if subresource:
                raise NotFound(f"{ref.kind} {ref.name} not found")
            self._may_create(ref)
        self._same_version(document, live)
        leaves = {path: value for path, value in flatten(document).items() if _applies(path, subresource)}
        merged = self._merge(ref, leaves, f"{manager}/{subresource}", force=force)
        return self._store(ref, live, unflatten(merged))

    async def create(self, document: Document) -> dict[str, Any]:
        """Create an object that must not exist yet."""
        ref = Ref.to(document)
        self._write("create", ref)
        if ref in self.objects:
            raise Conflict(f"{ref.kind} {ref.name} already exists")
        self._may_create(ref)
        self._owned[ref] = {f"create:{CHILDREN}/": set(flatten(document))}
        return self._store(ref, None, copy.deepcopy(dict(document)))

    async def replace(self, document: Document) -> dict[str, Any]:
        """Replace an object as a whole."""
        ref = Ref.to(document)
        self._write("replace", ref)
        live = self.objects.get(ref)
        if live is None:
            raise NotFound(f"{ref.kind} {ref.name} not found")
        self._same_version(document, live)
        return self._store(ref, live, copy.deepcopy(dict(document)))

    async def delete(self, ref: Ref, uid: str, *, orphan: bool = False) -> None:
        """Delete that very object and what it owns; `orphan` leaves that, at once without an owner."""
        self._write("delete", ref)
        live = self.objects.get(ref)
        if live is None:
            return
        if live["metadata"]["uid"] != uid:
            raise Conflict(f"uid precondition failed for {ref.kind} {ref.name}")
        for other, document in list(self.objects.items()) if orphan else ():
            owners = document["metadata"].get("ownerReferences") or []
            kept = [owner for owner in owners if owner["uid"] != uid]
            if kept != owners:
                metadata = {**document["metadata"], "ownerReferences": kept}
                self._store(other, document, copy.deepcopy({**document, "metadata": metadata}))
        self._remove(ref)

    async def evict(self, ref: Ref, uid: str) -> None:
        """Delete that very pod, unless a budget that covers it has nothing left: counted here, not by a controller."""
        self._write("evict", ref)
        live = self.objects.get(ref)
        if live is None:
            return
        for budget in self.objects.values() if (live.get("status") or {}).get("phase") == "Running" else ():
            if budget["kind"] == "PodDisruptionBudget" and _covers(budget, live):
                self._may_go(budget)
        if live["metadata"]["uid"] != uid:
            raise Conflict(f"uid precondition failed for {ref.kind} {ref.name}")
        self._remove(ref)

    async def scale(self, ref: Ref, count: int) -> None:
        """Set the replica count as manager `hcs-autoscaler`."""
        self._write("scale", ref)
        live = self.objects.get(ref)
        if live is None:
            raise NotFound(f"{ref.kind} {ref.name} not found")
        merged = self._merge(ref, {_REPLICAS: count}, f"{COUNTS}/scale", force=True)
        self._store(ref, live, unflatten(merged))

    def put(self, document: Document) -> dict[str, Any]:
        """Play a user or a controller: store the document as it is, outside the operator's writes."""
        ref = Ref.to(document)
        return self._store(ref, self.objects.get(ref), copy.deepcopy(dict(document)))

    def _merge(self, ref: Ref, leaves: Mapping[Leaf, Any], manager: str, *, force: bool) -> dict[Leaf, Any]:
        owners = self._owned.setdefault(ref, {})
        live = flatten(self.objects.get(ref, {}))
        for other, theirs in list(owners.items()):
            if other == manager:
                continue
            disputed = {path for path in theirs & set(leaves) if live.get(path) != leaves[path]}
            if disputed and not force:
                raise Conflict(f"conflict with {other!r} on {sorted(map(str, disputed))}")
            owners[other] = theirs - disputed
        given_up = owners.get(manager, set()) - set(leaves)
        kept = set().union(*(theirs for other, theirs in owners.items() if other != manager))
        owners[manager] = set(leaves)
        merged = {path: value for path, value in live.items() if path not in given_up - kept}
        return {**merged, **leaves}

    def _store(self, ref: Ref, live: dict[str, Any] | None, document: dict[str, Any]) -> dict[str, Any]:
        document.setdefault("apiVersion", RESOURCES[ref.kind].api_version)
        if "stringData" in document:
            texts = document.pop("stringData")
            document["data"] = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        if ref.kind in _SPEC_KINDS_WITH_COUNT:
            document.setdefault("spec", {}).setdefault("replicas", 1)
        metadata = document["metadata"]
        old = live["metadata"] if live else {}
        metadata["uid"] = old.get("uid") or f"uid-{next(self._uids)}"
        metadata["creationTimestamp"] = old.get("creationTimestamp", "2026-01-01T00:00:00Z")
        metadata["generation"] = old.get("generation", 0) + (live is None or live.get("spec") != document.get("spec"))
        metadata["resourceVersion"] = old.get("resourceVersion")
        if live == document:
            return copy.deepcopy(document)  # an apply that changes nothing makes no new version
        self._version = next(self._versions)
        metadata["resourceVersion"] = str(self._version)
        self.objects[ref] = document
        self._tell("MODIFIED" if live else "ADDED", document)
        return copy.deepcopy(document)

    def _remove(self, ref: Ref) -> None:
        gone = self.objects.pop(ref)
        self._owned.pop(ref, None)
        self._version = next(self._versions)
        self._tell("DELETED", gone)
        uid = gone["metadata"]["uid"]
        for other, document in list(self.objects.items()):
            owners = document["metadata"].get("ownerReferences") or ()
            if any(owner["uid"] == uid for owner in owners) and other in self.objects:
                self._remove(other)

    def _tell(self, kind: str, document: dict[str, Any]) -> None:
        for watcher in self._watchers:
            watcher(kind, copy.deepcopy(document))

    def _write(self, verb: str, ref: Ref) -> None:
        self.writes.append((verb, ref))
        error = self.refuse.get((verb, ref))
        if error:
            raise error

    def _may_go(self, budget: Document) -> None:
        """Count as the disruption controller does: who is healthy against what the pods' controllers want."""
        covered = [it for it in self.objects.values() if it["kind"] == "Pod" and _covers(budget, it)]
        owners = {Ref(*it) for it in map(_controller, covered) if it}
        counts = [self.objects[it]["spec"]["replicas"] for it in owners if it in self.objects]
        spec, healthy = budget["spec"], sum(map(_healthy, covered))
        needed = spec.get("minAvailable", (sum(counts) or len(covered)) - spec.get("maxUnavailable", 0))
        if healthy <= needed:
            name = budget["metadata"]["name"]
            words = f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently"
            raise BudgetSpent(words)

    def _may_create(self, ref: Ref) -> None:
        if ref.namespace in self.terminating:
            raise NamespaceGone(f"namespace {ref.namespace} is being terminated")

    def _same_version(self, document: Document, live: Document | None) -> None:
        for name in ("resourceVersion", "uid"):
            wanted = document["metadata"].get(name)
            if wanted and (live is None or live["metadata"][name] != wanted):
                raise Conflict(f"{name} precondition failed for {document['kind']} {document['metadata']['name']}")


def _applies(path: Leaf, subresource: str) -> bool:
    """Status is written through its subresource and nothing else is, except that both need the object's name."""
    if path[:2] in {("metadata", "name"), ("metadata", "namespace")} or path[0] in {"apiVersion", "kind"}:
        return True
    if path[:2] in {("metadata", "resourceVersion"), ("metadata", "uid")}:
        return False
    return bool(path[0] == "status") == (subresource == "status")


def _covers(budget: Document, pod: Document) -> bool:
    labels, wanted = pod["metadata"].get("labels") or {}, budget["spec"]["selector"]["matchLabels"]
    return bool(budget["metadata"]["namespace"] == pod["metadata"]["namespace"] and wanted.items() <= labels.items())


def _healthy(pod: Document) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = any(it["type"] == "Ready" and it["status"] == "True" for it in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _controller(pod: Document) -> tuple[str, str, str] | None:
    owners = (it for it in pod["metadata"].get("ownerReferences") or () if it.get("controller"))
    return next(((it["kind"], pod["metadata"]["namespace"], it["name"]) for it in owners), None)


def _has(document: Document, fields: str) -> bool:
    path, _, wanted = fields.partition("=")
    found: Any = document
    for name in filter(None, path.split(".")):
        found = (found or {}).get(name)
    return not fields or found == wanted


def _selected(document: Document, selector: str) -> bool:
    labels = document["metadata"].get("labels") or {}
    for term in filter(None, selector.split(",")):
        name, equals, value = term.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True
