"""Does a live object still carry what we want of it? And if not: which field, in words, differs first.

Only fields we own are compared (the desired document is a subset of the live one): what the API server fills in, what
other managers added to keyed lists and maps, is none of our business. Selectors have one owner and compare as a whole:
a label more, and a Service chooses no pod. A field that we stop wanting is not seen here;
the `highconcurrency.dev/applied-hash` annotation, which is part of every applied document, sees it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import ROUND_UP, Decimal
from typing import Any

from hcs_operator.api.fields import WHOLE, Path, keyed, merge_keys
from hcs_operator.api.quantities import amount

HASH_ANNOTATION = "highconcurrency.dev/applied-hash"

_AMOUNTS = frozenset({"requests", "limits"})
_QUANTITIES = frozenset({"sizeLimit", "divisor"})
_NANO = Decimal("1e-9")
_DROPPED_WHEN_FALSE = frozenset({"publishNotReadyAddresses", "readOnly", "hostNetwork", "hostPID", "hostIPC"})
"""Fields that the API server leaves out when they are false. Elsewhere unset means something else than false."""
_SHOWN = 60


def stamped(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with the hash of itself as an annotation: what is sent, and what is compared."""
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
    metadata = dict(document["metadata"])
    metadata["annotations"] = {**metadata.get("annotations", {}), HASH_ANNOTATION: digest}
    return {**document, "metadata": metadata}


def drift(desired: Mapping[str, Any], live: Mapping[str, Any]) -> str | None:
    """Return the first difference in words ("spec.replicas 1 -> 2"), or None when nothing needs to be sent."""
    return _mapping(desired, live, ())


def _value(desired: Any, live: Any, path: Path) -> str | None:
    if isinstance(desired, Mapping):
        return _mapping(desired, live if isinstance(live, Mapping) else {}, path)
    if isinstance(desired, Sequence) and not isinstance(desired, str):
        return _list(desired, live if isinstance(live, list) else [], path)
    return None if _same(desired, live, path) else _words(path, live, desired)


def _mapping(desired: Mapping[str, Any], live: Mapping[str, Any], path: Path) -> str | None:
    for name, value in desired.items():
        if value in ({}, []) and not live.get(name):
            continue  # the API server drops empty maps and lists
        found = _value(value, live.get(name), (*path, name))
        if found:
            return found
    added = next((name for name in live if name not in desired), None) if WHOLE.intersection(path) else None
    return None if added is None else _words((*path, added), live[added], None)


def _list(desired: Sequence[Any], live: Sequence[Any], path: Path) -> str | None:
    keys = merge_keys(path)
    want, have = (keyed(desired, keys), keyed(live, keys)) if keys else (None, None)
    if want is not None and have is not None:
        for key, item in want.items():
            found = _value(item, have.get(key, {}), path)
            if found:
                return f"{found} of {key[0]}" if key[0] not in found else found
        return None
    if len(desired) != len(live):
        return _words(path, f"{len(live)} elements", f"{len(desired)} elements")
    for want_item, have_item in zip(desired, live, strict=True):
        found = _value(want_item, have_item, path)
        if found:
            return found
    return None


def _same(desired: Any, live: Any, path: Path) -> bool:
    if desired == live:
        return True
    if live is not None and (_QUANTITIES.intersection(path[-1:]) or _AMOUNTS.intersection(path[-2:-1])):
        return _quantity(desired) is not None and _quantity(desired) == _quantity(live)
    if desired is False and path[-1:] and path[-1] in _DROPPED_WHEN_FALSE:
        return live is None
    return desired in ("", None) and live is None  # values the API server leaves out


def _quantity(value: Any) -> Decimal | None:
    """Return a Kubernetes quantity as the API server keeps it, rounded up to a billionth; None when it is none."""
    try:
        return amount(str(value).strip()).quantize(_NANO, ROUND_UP)
    except (ValueError, ArithmeticError):
        return None


def _words(path: Path, live: Any, desired: Any) -> str:
    if path[:1] in {("data",), ("stringData",)}:
        return f"{'.'.join(path)} differs"  # values of ConfigMaps are long, those of Secrets are secret
    return f"{'.'.join(path)} {_short(live)} -> {_short(desired)}"


def _short(value: Any) -> str:
    text = "unset" if value is None else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
