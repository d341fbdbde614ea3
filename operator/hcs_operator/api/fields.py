"""How lists and maps inside Kubernetes objects merge: which key names a list's element, and which lists and maps belong
to one owner as a whole.

Server-side apply merges a keyed list element by element and replaces every other list as a whole
(https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy). The keys are those of the built-in
types' `listMapKey` markers and of our own CRD.
"""

from collections.abc import Mapping, Sequence
from typing import Any

KEYS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("containers",): ("name",),
    ("initContainers",): ("name",),
    ("volumes",): ("name",),
    ("env",): ("name",),
    ("imagePullSecrets",): ("name",),
    ("volumeMounts",): ("mountPath",),
    ("topologySpreadConstraints",): ("topologyKey", "whenUnsatisfiable"),
    ("hostAliases",): ("ip",),
    ("ownerReferences",): ("uid",),
    ("conditions",): ("type",),
    ("containers", "ports"): ("containerPort", "protocol"),
    ("initContainers", "ports"): ("containerPort", "protocol"),
    ("spec", "ports"): ("port", "protocol"),
}
"""By the last names of the path to the list (list elements themselves add nothing to a path)."""

WHOLE = frozenset({"selector", "podSelector", "namespaceSelector", "labelSelector", "nodeSelector", "ingress"})
"""Maps (and what is in a policy's rules) that one owner owns as a whole: a key more makes them choose something else.
Server-side apply replaces each of them (`structType: atomic`, `mapType: atomic`, `listType: atomic`).
"""

_DEFAULTS = {"protocol": "TCP"}

Path = tuple[str, ...]


def merge_keys(path: Path) -> tuple[str, ...] | None:
    """Return the key of the list at this path; None for a list that has one owner."""
    return KEYS.get(path[-2:]) or KEYS.get(path[-1:])


def keyed(items: Sequence[Any], keys: tuple[str, ...]) -> dict[tuple[Any, ...], Any] | None:
    """Index a list by its merge key; None when an element lacks it (then the list compares as a whole)."""
    index = {}
    for item in items:
        if not isinstance(item, Mapping):
            return None
        key = tuple(item.get(name, _DEFAULTS.get(name)) for name in keys)
        if None in key:
            return None
        index[key] = item
    return index
