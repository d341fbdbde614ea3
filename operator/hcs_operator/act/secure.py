"""Makes passwords and keys once, and renews certificates by their date; no password that exists is ever changed."""

import base64
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hcs_operator.api.names import DB
from hcs_operator.api.observed import Child, Snapshot
from hcs_operator.api.spec import Stack
from hcs_operator.build import credentials
from hcs_operator.build.metadata import metadata
from hcs_operator.kube.errors import Conflict
from hcs_operator.kube.port import Kube
from hcs_operator.kube.resources import RESOURCES
from hcs_operator.observe.store import WatchStore
from hcs_operator.tls.certificates import TlsNames, wanted


async def secure(kube: Kube, store: WatchStore, stack: Stack, snapshot: Snapshot, cluster_domain: str) -> list[str]:
    """Make what is missing; return what was made in words (never a value)."""
    made = []
    for name, make in credentials.secrets(stack).items():
        if name in snapshot.secrets:
            continue
        try:
            store.put(await kube.create(credentials.secret(stack, name, make(secrets.token_bytes))))
        except Conflict:
            continue  # made meanwhile by somebody else: the next look reads it
        made.append(f"Secret {name}: new")
    names = TlsNames(stack.name, stack.namespace, cluster_domain)
    due = wanted(names, _found(names, snapshot), datetime.fromtimestamp(snapshot.now, UTC))
    for child, text in due.items():
        document = _document(stack, child, text)
        live = snapshot.live.get(child)
        if live is None:
            store.put(await kube.create(document))
        else:
            version = live["metadata"]["resourceVersion"]
            document["metadata"]["resourceVersion"] = version
            store.put(await kube.replace(document))
        made.append(f"{child.kind} {child.name}: {'new' if live is None else 'renewed'}")
    return made


def _found(names: TlsNames, snapshot: Snapshot) -> dict[Child, Mapping[str, str]]:
    found: dict[Child, Mapping[str, str]] = {}
    for child in (names.authority, names.server):
        if child.name in snapshot.secrets:
            found[child] = snapshot.secrets[child.name]
    bundle = snapshot.live.get(names.bundle)
    if bundle is not None:
        found[names.bundle] = bundle.get("data") or {}
    return found


def _document(stack: Stack, child: Child, text: Mapping[str, str]) -> dict[str, Any]:
    data = dict(text)
    if child.kind == "Secret":
        data = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
    return {
        "apiVersion": RESOURCES[child.kind].api_version,
        "kind": child.kind,
        "metadata": metadata(stack, child.name, DB),
        "data": data,
    }
