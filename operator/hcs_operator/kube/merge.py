"""Objects as a flat map of leaves and back, so that ownership of single fields can be reckoned with as sets."""

from collections.abc import Mapping
from typing import Any

from hcs_operator.api.fields import WHOLE, Path, keyed, merge_keys

Leaf = tuple[Any, ...]
"""A path whose steps are map keys, or tuples naming one element of a keyed list."""
_WHOLE = {(name,) for name in WHOLE}


def flatten(document: Mapping[str, Any]) -> dict[Leaf, Any]:
    """Return every leaf by its path; lists and maps that merge as a whole, and empty maps, are leaves."""
    leaves: dict[Leaf, Any] = {}
    if document:
        _walk(document, (), (), leaves)
    return leaves


def _walk(value: Any, names: Path, path: Leaf, leaves: dict[Leaf, Any]) -> None:
    if isinstance(value, Mapping) and value and names[-1:] not in _WHOLE:
        for name, item in value.items():
            _walk(item, (*names, name), (*path, name), leaves)
        return
    keys = merge_keys(names) if isinstance(value, list) and value else None
    elements = keyed(value, keys) if keys else None
    if elements is None:
        leaves[path] = value
        return
    for key, item in elements.items():
        _walk(item, names, (*path, key), leaves)


def unflatten(leaves: Mapping[Leaf, Any]) -> dict[str, Any]:
    """Return the object these leaves make; keyed lists keep the order in which their elements first appear."""
    root: dict[Any, Any] = {}
    for path, value in leaves.items():
        node = root
        for step in path[:-1]:
            child = node.get(step)
            if not isinstance(child, dict):
                child = node[step] = {}
            node = child
        if value not in ({}, []) or path[-1] not in node:
            node[path[-1]] = value
    listed = _lists(root)
    assert isinstance(listed, dict)
    return listed


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(isinstance(step, tuple) for step in node):
        return [_lists(item) for item in node.values()]
    return {step: _lists(item) for step, item in node.items()}
